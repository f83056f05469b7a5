/** Plots of figures over time, by uPlot, in the colours of the page. */

import { make } from "../lib/dom.js";
import { locale } from "../lib/i18n.js";
import { loaded } from "./page.js";

const VENDOR = new URL("../vendor/", import.meta.url);
const FONT = "12px system-ui, sans-serif";
const USUAL_HEIGHT = 140;
/** Steps of an axis with a clock, in seconds, and of one that counts. */
const CLOCK_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360].map((minutes) => 60 * minutes);
const WHOLE_STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];

/**
 * @typedef {(number | null)[][]} Columns the first is the x axis, then one for each line; null leaves a gap
 * @typedef {{title: string, lines: {name: string, color: string}[], clock?: boolean, whole?: boolean, columns: Columns}} Chart
 *   `color` is one of CSS; `clock`: x is seconds since 1970, else any number; `whole`: y has no fractions
 * @typedef {{setData: (data: Columns) => void, setSize: (size: {width: number, height: number}) => void, destroy: ()
 * => void}} Plot
 * @typedef {new (options: object, data: Columns, place: HTMLElement) => Plot} UPlot
 */

export class Plots {
  #place;
  #UPlot;
  #height;
  /** @type {Plot[]} */
  #plots = [];
  /** @type {Chart[]} */
  #charts = [];

  /** @param {HTMLElement} place @param {UPlot} UPlot @param {number} height of each plot, in pixels @param {AbortSignal} [signal] ends it */
  constructor(place, UPlot, height, signal) {
    this.#place = place;
    this.#height = height;
    this.#UPlot = UPlot;
    new ResizeObserver(() =>
      this.#plots.forEach((plot) => plot.setSize(this.#size)),
    ).observe(place);
    // Colours are drawn, not styled, so that another theme needs other plots.
    const again = () => this.#make();
    if (signal?.aborted) return;
    const theme = new MutationObserver(again);
    theme.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    signal?.addEventListener("abort", () => {
      theme.disconnect();
      for (const plot of this.#plots) plot.destroy(); // they listen to the window
      this.#plots = this.#charts = [];
    });
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", again, { signal });
  }

  /** @param {HTMLElement} place @param {AbortSignal} [signal] ends it @returns {Promise<Plots | null>} null where uPlot is not in this build */
  static async load(place, height = USUAL_HEIGHT, signal = undefined) {
    try {
      await Promise.all([
        loaded(make("link", { rel: "stylesheet", href: new URL("uPlot.min.css", VENDOR).href })),
        loaded(make("script", { src: new URL("uPlot.iife.min.js", VENDOR).href })),
      ]);
      return new Plots(place, /** @type {any} */ (globalThis).uPlot, height, signal);
    } catch {
      return null;
    }
  }

  /** @param {Chart[]} charts */
  show(charts) {
    const same = JSON.stringify(charts.map(looks)) === JSON.stringify(this.#charts.map(looks));
    this.#charts = charts;
    if (same) charts.forEach(({ columns }, i) => this.#plots[i]?.setData(columns));
    else this.#make();
  }

  #make() {
    for (const plot of this.#plots) plot.destroy();
    this.#plots = this.#charts.map(
      (chart) => new this.#UPlot({ ...optionsOf(chart), ...this.#size }, chart.columns, this.#place),
    );
  }

  get #size() {
    return { width: Math.max(200, this.#place.clientWidth), height: this.#height };
  }
}

/** All of a chart but its figures. @param {Chart} chart */
function looks({ columns: _, ...more }) {
  return more;
}

/** A colour as the page shows it now. @param {string} color */
function shown(color) {
  const probe = make("span");
  probe.style.color = color;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Width for the numbers of the y axis, however long they are. @param {unknown} _ @param {string[] | null} numbers */
function besides(_, numbers) {
  return 16 + 8 * Math.max(2, ...(numbers ?? []).map((number) => number.length));
}

const CLOCK = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });

/** @param {unknown} _ @param {number[]} seconds */
function clockTimes(_, seconds) {
  return seconds.map((at) => CLOCK.format(at * 1000));
}

/** @param {Chart} chart */
function optionsOf({ title, lines, clock = false, whole = false }) {
  const [ink, grid] = ["var(--soft)", "var(--line)"].map(shown);
  const axis = { stroke: ink, font: FONT, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 4 } };
  const across = { ...axis, size: 28, space: clock ? 72 : 40, ...(clock && { values: clockTimes, incrs: CLOCK_STEPS }) };
  const up = { ...axis, size: besides, space: 24, ...(whole && { incrs: WHOLE_STEPS }) };
  return {
    title,
    scales: {
      x: { time: clock },
      y: {
        range: (/** @type {unknown} */ _, /** @type {number} */ low, /** @type {number} */ high) => [
          Math.min(0, low),
          (high || 1) * 1.1,
        ],
      },
    },
    axes: [across, up],
    padding: [8, 12, 0, 0], // the last number of the x axis stands half beyond it
    series: [
      {},
      ...lines.map(({ name, color }) => ({ label: name, stroke: shown(color), width: 2, points: { show: false } })),
    ],
    cursor: { y: false },
    legend: { show: false },
  };
}
