/** Figures of a run, exact for the export and by the second for the plots. Pure and bounded. */

const KEPT = 100_000; // latencies: an hour at 28 frames a second
const SECONDS = 3_600;

/**
 * @typedef {{transport: string, mode: string, device: string, model: string}} Setting how pictures were inferred;
 *   `mode` is server or browser
 * @typedef {{at: number, latency: number, stages: Record<string, number>} & Setting} Sample `at`: milliseconds, and
 *   `latency` NaN where the clocks can't tell
 * @typedef {{t: number, frames: number, latencies: number[], stages: Map<string, {sum: number, n: number}>,
 *   drops: number, setting: Setting}} Second
 * @typedef {{median: number, p95: number, mean: number}} Spread
 */

export class RunMetrics {
  /** @type {Second[]} Oldest first. */
  seconds = [];
  frames = 0;
  #startedAt = NaN;
  #lastAt = NaN;
  /** @type {number[]} */
  #latencies = [];
  /** @type {Map<string, number[]>} */
  #stages = new Map();
  #kept = 0;
  /** @type {Setting[]} */
  #settings = [];
  /** @type {Map<string, number>} */
  #drops = new Map();
  #serverDevice = "";

  clear() {
    this.seconds = [];
    this.frames = 0;
    this.#startedAt = this.#lastAt = NaN;
    this.#latencies = [];
    this.#stages = new Map();
    this.#kept = 0;
    this.#settings = [];
    this.#drops = new Map();
  }

  /**
   * Set the server's engine and device, also for pictures that came before they were known.
   *
   * @param {string} engine @param {string} device
   */
  served(engine, device) {
    const first = this.#serverDevice === "";
    this.#serverDevice = engine ? `${engine}, ${device}` : device;
    if (!first) return;
    for (const setting of [...this.#settings, ...this.seconds.map((second) => second.setting)]) {
      if (setting.mode === "server") setting.device ||= this.#serverDevice;
    }
  }

  /** Add a picture that was shown with its result. @param {Sample} sample */
  add({ at, latency, stages, transport, mode, device: own, model }) {
    const device = own || (mode === "server" ? this.#serverDevice : "");
    if (Number.isNaN(this.#startedAt)) this.#startedAt = at;
    this.#lastAt = at;
    this.frames += 1;
    const setting = { transport, mode, device, model };
    const known = this.#settings.some((s) => JSON.stringify(s) === JSON.stringify(setting));
    if (!known && this.#settings.length < 100) this.#settings.push(setting);
    const slot = this.#kept % KEPT;
    this.#kept += 1;
    this.#latencies[slot] = latency;
    const second = this.#second(at, setting);
    second.frames += 1;
    if (Number.isFinite(latency)) second.latencies.push(latency);
    for (const [name, ms] of Object.entries(stages)) {
      const all = this.#stages.get(name) ?? [];
      all[slot] = ms;
      this.#stages.set(name, all);
      const mean = second.stages.get(name) ?? { sum: 0, n: 0 };
      second.stages.set(name, { sum: mean.sum + ms, n: mean.n + 1 });
    }
  }

  /**
   * Set the numbers of dropped pictures by reason since the run began.
   *
   * @param {Iterable<[string, number]>} counts @param {number} at milliseconds
   */
  drops(counts, at) {
    const before = sum(this.#drops.values());
    this.#drops = new Map([...counts].filter(([, n]) => n > 0));
    const last = this.seconds.at(-1);
    if (last && !Number.isNaN(this.#startedAt)) {
      this.#second(at, last.setting).drops += Math.max(0, sum(this.#drops.values()) - before);
    }
  }

  /** @param {number} at @param {Setting} setting @returns {Second} */
  #second(at, setting) {
    const t = Math.floor((at - this.#startedAt) / 1000);
    const last = this.seconds.at(-1);
    if (last && last.t >= t) {
      last.setting = setting;
      return last;
    }
    const second = { t, frames: 0, latencies: [], stages: new Map(), drops: 0, setting };
    this.seconds.push(second);
    if (this.seconds.length > SECONDS) this.seconds.shift();
    return second;
  }

  /**
   * The whole run, for JSON.
   *
   * @param {{page: string, stream: string, started: string, userAgent: string}} about
   */
  report(about) {
    const latest = this.#settings.at(-1) ?? { transport: "", mode: "", device: "", model: "" };
    const current = this.seconds.at(-1)?.setting ?? latest;
    const duration = this.frames ? (this.#lastAt - this.#startedAt) / 1000 : 0;
    const latency = spread(this.#latencies);
    const stages = [...this.#stages].map(([name, values]) => {
      const { median, p95, mean } = spread(values);
      return [name, { median: rounded(median), p95: rounded(p95), mean: rounded(mean) }];
    });
    return {
      format: "sightline-run-1",
      ...about,
      ...current,
      settings_used: this.#settings,
      duration_s: rounded(duration),
      frames: this.frames,
      processed_fps: rounded(duration > 0 ? (this.frames - 1) / duration : 0),
      median_latency_ms: rounded(latency.median),
      p95_latency_ms: rounded(latency.p95),
      stages_ms: Object.fromEntries(stages),
      drops: Object.fromEntries(this.#drops),
      seconds: this.seconds.map(row),
    };
  }

  /** The run as CSV, one line per second. */
  csv() {
    const stages = [...this.#stages.keys()].sort();
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
    const lines = this.seconds.map((second) => {
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
   * @returns {[number[], number[], (number | null)[]]}
   */
  series() {
    const whole = this.seconds.slice(0, -1); // the last one is not over: it would look like a drop
    return [
      whole.map(({ t }) => t),
      whole.map(({ frames }) => frames),
      whole.map(({ latencies }) => rounded(spread(latencies).median)),
    ];
  }
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

/** @param {Iterable<number>} values */
function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
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
