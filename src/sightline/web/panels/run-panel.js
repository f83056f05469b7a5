/** Part of the panel with a run's figures: plots over time, and the export. */

import { setText } from "../lib/dom.js";
import { byId } from "./page.js";
import { RunMetrics } from "./run-metrics.js";

const PLOT_MS = 1_000;

/** @param {[name: string, type: string, text: string]} file */
const download = async (...file) => (await import("./download.js")).download(...file);

/**
 * Wire `#run`, a `<details>` with `#run-json`, `#run-csv`, `#run-plots` and `#run-note`.
 *
 * @param {string} page camera or view @param {string} stream
 * @returns {RunMetrics}
 */
export function setUpRun(page, stream) {
  const metrics = new RunMetrics();
  const details = byId("run", HTMLDetailsElement);
  const started = new Date().toISOString();
  const about = { page, stream, started, userAgent: navigator.userAgent };
  const name = () => `sightline-${stream}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
  byId("run-json", HTMLButtonElement).addEventListener("click", () => {
    void download(`${name()}.json`, "application/json", `${JSON.stringify(metrics.report(about), null, 1)}\n`);
  });
  byId("run-csv", HTMLButtonElement).addEventListener("click", () =>
    void download(`${name()}.csv`, "text/csv", metrics.csv()),
  );
  /** @type {ReturnType<typeof setInterval> | undefined} */
  let timer;
  /** @type {import("./plots.js").Plots | null} */
  let plots = null;
  const show = () => {
    plots?.show(chartsOf(metrics));
    setText(byId("run-summary", HTMLElement), inWords(metrics));
  };
  details.addEventListener("toggle", async () => {
    clearInterval(timer);
    if (!details.open) return;
    plots ??= await import("./plots.js")
      .then(({ Plots }) => Plots.load(byId("run-plots", HTMLElement)))
      .catch(() => null);
    setText(
      byId("run-note", HTMLElement),
      plots ? "" : "This build has no plots, as it was made without npm. The files have all figures.",
    );
    show();
    clearInterval(timer); // closed and opened again meanwhile
    if (details.open) timer = setInterval(show, PLOT_MS);
  });
  return metrics;
}

/** @param {RunMetrics} metrics @returns {import("./plots.js").Chart[]} */
function chartsOf(metrics) {
  const [seconds, fps, latency] = metrics.series();
  const chart = (/** @type {string} */ title, /** @type {string} */ color, /** @type {(number | null)[]} */ values) => ({
    ...{ title, lines: [{ name: title, color }], columns: [seconds, values] },
  });
  return [chart("frames a second", "var(--accent)", fps), chart("median latency, ms", "var(--warn)", latency)];
}

/** Description of the plots, for people who can't see them. @param {RunMetrics} metrics */
function inWords(metrics) {
  const [seconds, fps, latency] = metrics.series();
  const last = seconds.length - 1;
  if (last < 0) return "Nothing measured yet.";
  return `${seconds[last]} s: ${fps[last]} frames a second, median latency ${Math.round(latency[last] ?? NaN)} ms.`;
}
