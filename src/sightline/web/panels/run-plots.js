/** Plots of a run, and the same in words for people who can't see them. */

import { setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { byId, every } from "./page.js";
import { Plots } from "./plots.js";
import { seriesOf } from "./run-report.js";

/** @typedef {import("./run-metrics.js").RunMetrics} RunMetrics */

const PLOT_MS = 1_000;

/**
 * Show a run for as long as its part of the panel is open.
 *
 * @param {RunMetrics} metrics @param {HTMLDetailsElement} details @param {AbortSignal} [signal] ends it
 */
export async function showRun(metrics, details, signal) {
  const summary = byId("run-summary", HTMLElement, details);
  const plots = await Plots.load(byId("run-plots", HTMLElement, details), undefined, signal);
  setText(
    byId("run-note", HTMLElement, details),
    plots ? "" : t`This build has no plots, as it was made without npm. The files have all figures.`,
  );
  const show = () => {
    if (!details.open) return;
    plots?.show(chartsOf(metrics));
    setText(summary, inWords(metrics));
  };
  show();
  every(PLOT_MS, show, signal);
  details.addEventListener("toggle", show);
}

/** @param {RunMetrics} metrics @returns {import("./plots.js").Chart[]} */
function chartsOf(metrics) {
  const [seconds, fps, latency] = seriesOf(metrics);
  const chart = (/** @type {string} */ title, /** @type {string} */ color, /** @type {(number | null)[]} */ values) => ({
    ...{ title, lines: [{ name: title, color }], columns: [seconds, values] },
  });
  return [chart(t`frames a second`, "var(--accent)", fps), chart(t`median latency, ms`, "var(--warn)", latency)];
}

/** @param {RunMetrics} metrics */
function inWords(metrics) {
  const [seconds, fps, latency] = seriesOf(metrics);
  const last = seconds.length - 1;
  if (last < 0) return t`Nothing measured yet.`;
  return t`${seconds[last]} s: ${fps[last]} frames a second, median latency ${Math.round(latency[last] ?? NaN)} ms.`;
}
