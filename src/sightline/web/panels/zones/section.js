/** The panel's section on zones and lines. What it is made of comes only where there are some, or somebody looks. */

import { setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { byId } from "../page.js";

/**
 * Set up `#zones`.
 *
 * @param {string} stream @param {import("../../draw/painter.js").Painter} painter @param {AbortSignal} [signal] ends it
 * @returns {{learn: (detail: {labels: string[]}) => void, connected: () => void, rest: () => void}} to be told the stream's
 *   statistics, when the server was reached, and when the camera is gone
 */
export function setUpZones(stream, painter, signal) {
  const details = byId("zones", HTMLDetailsElement);
  const inside = byId("zones-inside", HTMLElement);
  /** @type {readonly string[]} */
  let labels = [];
  /** @type {Promise<import("./panel.js").ZonePanel | null> | null} */
  let loading = null;
  const load = () => {
    loading ??= import("./panel.js").then(({ open }) => open({ stream, painter, labels: () => labels, signal })).catch(() => {
      loading = null;
      setText(inside, t`Zones and lines could not be loaded. Close this and open it again.`);
      return null;
    });
    painter.overs.delete(watch);
    return loading;
  };
  /** @type {import("../../draw/painter.js").Over} */
  const watch = (_context, { findings }) => {
    if (findings?.extras?.["zones"] || (findings?.browser && !findings.extras)) void load();
  };
  painter.overs.add(watch);
  const look = () => details.open && void load().then((panel) => panel?.seen());
  details.addEventListener("toggle", look);
  look(); // it may have been opened before this script was there
  return {
    learn: (detail) => (labels = detail.labels),
    connected: () => void loading?.then((panel) => panel?.connected()),
    rest: () => void loading?.then((panel) => panel?.rest()),
  };
}
