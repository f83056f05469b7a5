/** The panel's section on zones and lines. What it is made of comes only where there are some, or somebody looks. */

import { byId } from "../page.js";

/**
 * Set up `#zones`.
 *
 * @param {string} stream @param {import("../../draw/painter.js").Painter} painter
 * @returns {{learn: (detail: {labels: string[]}) => void, connected: () => void}} to be told the stream's statistics, and
 *   when the server was reached
 */
export function setUpZones(stream, painter) {
  const details = byId("zones", HTMLDetailsElement);
  /** @type {readonly string[]} */
  let labels = [];
  /** @type {Promise<import("./panel.js").ZonePanel> | null} */
  let loading = null;
  const load = () => {
    loading ??= import("./panel.js").then(({ open }) => open({ stream, painter, labels: () => labels }));
    painter.overs.delete(watch);
    return loading;
  };
  /** @type {import("../../draw/painter.js").Over} */
  const watch = (_context, { findings }) => {
    if (findings?.extras?.["zones"] || (findings?.browser && !findings.extras)) void load();
  };
  painter.overs.add(watch);
  details.addEventListener("toggle", () => details.open && void load().then((panel) => panel.seen()));
  return {
    learn: (detail) => (labels = detail.labels),
    connected: () => void loading?.then((panel) => panel.connected()),
  };
}
