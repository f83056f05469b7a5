/** Part of the panel with a run's figures: plots over time, and the export. */

import { byId } from "./page.js";
import { RunMetrics } from "./run-metrics.js";

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
  let shown = false;
  async function look() {
    if (!details.open || shown) return;
    shown = true;
    await import("./run-plots.js").then(({ showRun }) => showRun(metrics, details)).catch(() => (shown = false));
  }
  details.addEventListener("toggle", look);
  void look(); // it may have been opened before this script was there
  return metrics;
}
