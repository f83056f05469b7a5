/** Figures of a run, as they come: `run-report.js` makes the export and the plots of them. Pure and bounded. */

const KEPT = 100_000; // latencies: an hour at 28 frames a second
const SECONDS = 3_600;

/**
 * @typedef {{transport: string, mode: string, device: string, model: string}} Setting how pictures were inferred;
 *   `mode` is server or browser
 * @typedef {{at: number, latency: number, stages: Record<string, number>} & Setting} Sample `at`: milliseconds, and
 *   `latency` NaN where the clocks can't tell
 * @typedef {{t: number, frames: number, latencies: number[], stages: Map<string, {sum: number, n: number}>,
 *   drops: number, setting: Setting}} Second
 */

export class RunMetrics {
  /** @type {Second[]} Oldest first. */
  seconds = [];
  frames = 0;
  startedAt = NaN;
  lastAt = NaN;
  /** @type {number[]} */
  latencies = [];
  /** @type {Map<string, number[]>} */
  stages = new Map();
  #kept = 0;
  /** @type {Setting[]} */
  settings = [];
  /** @type {Map<string, number>} */
  dropped = new Map();
  #serverDevice = "";

  clear() {
    this.seconds = [];
    this.frames = 0;
    this.startedAt = this.lastAt = NaN;
    this.latencies = [];
    this.stages = new Map();
    this.#kept = 0;
    this.settings = [];
    this.dropped = new Map();
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
    for (const setting of [...this.settings, ...this.seconds.map((second) => second.setting)]) {
      if (setting.mode === "server") setting.device ||= this.#serverDevice;
    }
  }

  /** Add a picture that was shown with its result. @param {Sample} sample */
  add({ at, latency, stages, transport, mode, device: own, model }) {
    const device = own || (mode === "server" ? this.#serverDevice : "");
    if (Number.isNaN(this.startedAt)) this.startedAt = at;
    this.lastAt = at;
    this.frames += 1;
    const setting = { transport, mode, device, model };
    const known = this.settings.some((s) => JSON.stringify(s) === JSON.stringify(setting));
    if (!known && this.settings.length < 100) this.settings.push(setting);
    const slot = this.#kept % KEPT;
    this.#kept += 1;
    this.latencies[slot] = latency;
    const second = this.#second(at, setting);
    second.frames += 1;
    if (Number.isFinite(latency)) second.latencies.push(latency);
    for (const [name, ms] of Object.entries(stages)) {
      const all = this.stages.get(name) ?? [];
      all[slot] = ms;
      this.stages.set(name, all);
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
    const before = sum(this.dropped.values());
    this.dropped = new Map([...counts].filter(([, n]) => n > 0));
    const last = this.seconds.at(-1);
    if (last && !Number.isNaN(this.startedAt)) {
      this.#second(at, last.setting).drops += Math.max(0, sum(this.dropped.values()) - before);
    }
  }

  /** @param {number} at @param {Setting} setting @returns {Second} */
  #second(at, setting) {
    const t = Math.floor((at - this.startedAt) / 1000);
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
}

/** @param {Iterable<number>} values */
export function sum(values) {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
