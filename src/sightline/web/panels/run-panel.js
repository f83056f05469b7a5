/** Part of the panel with a run's figures: plots over time, and the export. */

import { make, setText } from "../lib/dom.js";
import { byId, loaded } from "./page.js";
import { RunMetrics } from "./run-metrics.js";

const PLOT_MS = 1_000;
const VENDOR = new URL("../vendor/", import.meta.url);
const HEIGHT = 140;
const FONT = "12px system-ui, sans-serif";

/** @param {[name: string, type: string, text: string]} file */
const download = async (...file) => (await import("./download.js")).download(...file);

/**
 * @typedef {{setData: (data: unknown[]) => void, setSize: (size: {width: number, height: number}) => void, destroy: ()
 * => void}} Plot
 */

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
  /** @type {Plots | null} */
  let plots = null;
  details.addEventListener("toggle", async () => {
    clearInterval(timer);
    if (!details.open) return;
    plots ??= await Plots.load(byId("run-plots", HTMLElement));
    setText(
      byId("run-note", HTMLElement),
      plots ? "" : "This build has no plots, as it was made without npm. The files have all figures.",
    );
    plots?.show(metrics);
    timer = setInterval(() => plots?.show(metrics), PLOT_MS);
  });
  return metrics;
}

class Plots {
  #place;
  /** @type {Plot[]} */
  #plots = [];
  #make;

  /** @param {HTMLElement} place @param {new (options: object, data: unknown[], place: HTMLElement) => Plot} UPlot */
  constructor(place, UPlot) {
    this.#place = place;
    this.#make = () => {
      for (const plot of this.#plots) plot.destroy();
      this.#plots = [plotOf("frames a second", "--accent"), plotOf("median latency, ms", "--warn")].map(
        (options) => new UPlot({ ...options, width: this.#width, height: HEIGHT }, [[], []], place),
      );
    };
    this.#make();
    new ResizeObserver(() =>
      this.#plots.forEach((plot) => plot.setSize({ width: this.#width, height: HEIGHT })),
    ).observe(place);
    // Colours are drawn, not styled, so that another theme needs other plots.
    new MutationObserver(this.#make).observe(document.documentElement, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", this.#make);
  }

  /** @param {HTMLElement} place @returns {Promise<Plots | null>} null where uPlot is not in this build */
  static async load(place) {
    try {
      await Promise.all([
        loaded(make("link", { rel: "stylesheet", href: new URL("uPlot.min.css", VENDOR).href })),
        loaded(make("script", { src: new URL("uPlot.iife.min.js", VENDOR).href })),
      ]);
      return new Plots(place, /** @type {any} */ (globalThis).uPlot);
    } catch {
      return null;
    }
  }

  /** @param {RunMetrics} metrics */
  show(metrics) {
    const [seconds, fps, latency] = metrics.series();
    this.#plots[0]?.setData([seconds, fps]);
    this.#plots[1]?.setData([seconds, latency]);
    setText(byId("run-summary", HTMLElement), inWords(metrics));
  }

  get #width() {
    return Math.max(200, this.#place.clientWidth);
  }
}

/** Description of the plots, for people who can't see them. @param {RunMetrics} metrics */
function inWords(metrics) {
  const [seconds, fps, latency] = metrics.series();
  const last = seconds.length - 1;
  if (last < 0) return "Nothing measured yet.";
  return `${seconds[last]} s: ${fps[last]} frames a second, median latency ${Math.round(latency[last] ?? NaN)} ms.`;
}

/** A colour of the style sheet as the page shows it now. @param {string} name such as --accent */
function shown(name) {
  const probe = make("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Width for the numbers of the y axis, however long they are. @param {unknown} _ @param {string[] | null} numbers */
function besides(_, numbers) {
  return 16 + 8 * Math.max(2, ...(numbers ?? []).map((number) => number.length));
}

/** @param {string} label @param {string} color a custom property of the style sheet */
function plotOf(label, color) {
  const [ink, grid, stroke] = ["--soft", "--line", color].map(shown);
  const axis = { stroke: ink, font: FONT, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 } };
  return {
    scales: {
      x: { time: false },
      y: {
        range: (/** @type {unknown} */ _, /** @type {number} */ low, /** @type {number} */ high) => [
          Math.min(0, low),
          (high || 1) * 1.1,
        ],
      },
    },
    axes: [{ ...axis, size: 28, space: 40 }, { ...axis, size: besides, space: 24 }],
    padding: [8, 12, 0, 0], // the last number of the x axis stands half beyond it
    series: [{}, { stroke, width: 2, points: { show: false } }],
    cursor: { y: false },
    legend: { show: false },
    title: label,
  };
}
