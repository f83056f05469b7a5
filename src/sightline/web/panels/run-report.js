/** What is made of a run's figures: the export and the plots' series. It comes when somebody wants one of them. */

import { sum } from "./run-metrics.js";

/**
 * @typedef {import("./run-metrics.js").RunMetrics} RunMetrics
 * @typedef {import("./run-metrics.js").Second} Second
 * @typedef {{median: number, p95: number, mean: number}} Spread
 */

/**
 * The whole run, for JSON.
 *
 * @param {RunMetrics} run
 * @param {{page: string, stream: string, started: string, userAgent: string}} about
 */
export function reportOf(run, about) {
  const latest = run.settings.at(-1) ?? { transport: "", mode: "", device: "", model: "" };
  const current = run.seconds.at(-1)?.setting ?? latest;
  const duration = run.frames ? (run.lastAt - run.startedAt) / 1000 : 0;
  const latency = spread(run.latencies);
  const stages = [...run.stages].map(([name, values]) => {
    const { median, p95, mean } = spread(values);
    return [name, { median: rounded(median), p95: rounded(p95), mean: rounded(mean) }];
  });
  return {
    format: "sightline-run-1",
    ...about,
    ...current,
    settings_used: run.settings,
    duration_s: rounded(duration),
    frames: run.frames,
    processed_fps: rounded(duration > 0 ? (run.frames - 1) / duration : 0),
    median_latency_ms: rounded(latency.median),
    p95_latency_ms: rounded(latency.p95),
    stages_ms: Object.fromEntries(stages),
    drops: Object.fromEntries(run.dropped),
    seconds: run.seconds.map(row),
  };
}

/** The run as CSV, one line per second. @param {RunMetrics} run */
export function csvOf(run) {
  const stages = [...run.stages.keys()].sort();
  const names = [
    "t_s",
    "fps",
    "median_latency_ms",
    "p95_latency_ms",
    "drops",
    "mode",
    "device",
    "transport",
    "model",
  ];
  const lines = run.seconds.map((second) => {
    const r = row(second);
    const mean = stages.map((name) => r.stages_ms[name] ?? "");
    return [
      r.t_s,
      r.fps,
      r.median_latency_ms ?? "",
      r.p95_latency_ms ?? "",
      r.drops,
      r.mode,
      r.device,
      r.transport,
      r.model,
      ...mean,
    ];
  });
  return (
    [[...names, ...stages.map((name) => `${name}_ms`)], ...lines]
      .map((line) => line.map(cell).join(","))
      .join("\r\n") + "\r\n"
  );
}

/**
 * Series for the plots: whole seconds, frames in each, and their median latency (null if there is none).
 *
 * @param {RunMetrics} run
 * @returns {[number[], number[], (number | null)[]]}
 */
export function seriesOf(run) {
  const whole = run.seconds.slice(0, -1); // the last one is not over: it would look like a drop
  return [
    whole.map(({ t }) => t),
    whole.map(({ frames }) => frames),
    whole.map(({ latencies }) => rounded(spread(latencies).median)),
  ];
}

/** @param {Second} second */
function row({ t, frames, latencies, stages, drops, setting }) {
  const latency = spread(latencies);
  /** @type {Record<string, number | null>} */
  const means = Object.fromEntries([...stages].map(([name, { sum: total, n }]) => [name, rounded(total / n)]));
  return {
    t_s: t,
    fps: frames,
    median_latency_ms: rounded(latency.median),
    p95_latency_ms: rounded(latency.p95),
    drops,
    ...setting,
    stages_ms: means,
  };
}

/**
 * Median, 95th percentile (nearest rank) and mean; NaN of nothing.
 *
 * @param {number[]} values may have holes
 * @returns {Spread}
 */
export function spread(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!sorted.length) return { median: NaN, p95: NaN, mean: NaN };
  const at = (/** @type {number} */ share) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? NaN;
  return { median: at(0.5), p95: at(0.95), mean: sum(sorted) / sorted.length };
}

/** JSON has no NaN. @param {number} value */
function rounded(value) {
  return Number.isFinite(value) ? Math.round(value * 1000) / 1000 : null;
}

/**
 * A cell of the CSV. A spreadsheet must not take a name for a formula, nor a comma for a new cell.
 *
 * @param {string | number} value
 */
function cell(value) {
  const text = String(value);
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
