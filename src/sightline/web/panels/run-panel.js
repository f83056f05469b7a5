/** Part of the panel with a run's figures: plots over time, and the export. */

import { byId } from "./page.js";
import { RunMetrics } from "./run-metrics.js";

/** @typedef {typeof import("./run-report.js")} Report */

/** @param {string} name @param {string} type @param {(report: Report) => string} text */
async function download(name, type, text) {
  const [{ download: save }, report] = await Promise.all([import("./download.js"), import("./run-report.js")]);
  save(name, type, text(report));
}

/**
 * Wire `#run`, a `<details>` with `#run-json`, `#run-csv`, `#run-plots` and `#run-note`.
 *
 * @param {string} page camera or view @param {string} stream @param {AbortSignal} [signal] ends it
 * @returns {RunMetrics}
 */
export function setUpRun(page, stream, signal) {
  const metrics = new RunMetrics();
  const details = byId("run", HTMLDetailsElement);
  const started = new Date().toISOString();
  const about = { page, stream, started, userAgent: navigator.userAgent };
  const name = () => `sightline-${stream}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;
  byId("run-json", HTMLButtonElement).addEventListener("click", () =>
    void download(`${name()}.json`, "application/json", ({ reportOf }) => `${JSON.stringify(reportOf(metrics, about), null, 1)}\n`),
  );
  byId("run-csv", HTMLButtonElement).addEventListener("click", () =>
    void download(`${name()}.csv`, "text/csv", ({ csvOf }) => csvOf(metrics)),
  );
  let shown = false;
  async function look() {
    if (!details.open || shown) return;
    shown = true;
    await import("./run-plots.js").then(({ showRun }) => showRun(metrics, details, signal)).catch(() => (shown = false));
  }
  details.addEventListener("toggle", look);
  void look(); // it may have been opened before this script was there
  return metrics;
}
