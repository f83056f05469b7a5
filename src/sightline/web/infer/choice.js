/** Decides where the model runs: on the server, in this browser, or wherever results come sooner. Pure. */

import { fixed } from "../lib/format.js";
import { t } from "../lib/i18n.js";

const MEASURED = 15;
const WARM_UP = 4;
const SLOW_MS = 1_500;
const RESTART_WITHIN_MS = 60_000;

/**
 * @typedef {"server" | "browser" | "auto"} Wanted
 * @typedef {"server" | "browser"} Place
 */

export class Chooser {
  /** Present place of the model. @type {Place} */
  place = "server";
  /** The present situation in words. */
  says = "";
  /** @type {Wanted} */
  wanted = "server";
  /** A remark on the runtime, such as why it has no threads. */
  note = "";
  /** @type {"off" | "loading" | "measuring" | "running"} */
  #stage = "off";
  #device = "";
  /** @type {Record<Place, number[]>} */
  #times = { server: [], browser: [] };
  #toSkip = 0;
  #failedAt = -Infinity;

  /** True if the runtime must be loaded. */
  get needsRuntime() {
    return this.#stage !== "off";
  }

  get measuring() {
    return this.#stage === "measuring";
  }

  /** Begin with the person's choice. @param {Wanted} wanted */
  choose(wanted) {
    this.wanted = wanted;
    this.place = "server";
    this.#failedAt = -Infinity;
    this.#stage = wanted === "server" ? "off" : "loading";
    this.says = wanted === "server" ? "" : t`The model is being loaded into this browser. The server goes on meanwhile.`;
    this.#times = { server: [], browser: [] };
  }

  /**
   * Note that the runtime is loaded.
   *
   * @param {string} device in words @param {string} note such as why there are no threads
   */
  ready(device, note) {
    if (this.#stage !== "loading") return;
    this.#device = device;
    this.note = note;
    this.#toSkip = WARM_UP;
    if (this.wanted === "browser") {
      this.#stage = "running";
      this.#go("browser", t`This browser runs the model (${device}).`);
    } else {
      this.#stage = "measuring";
      this.says = t`Measuring the server, then this browser …`;
    }
  }

  /**
   * Note that a result was shown. Returns true if the model runs elsewhere from now on.
   *
   * @param {Place} place @param {number} latency milliseconds from the camera to the screen
   */
  result(place, latency) {
    if (this.#stage === "off" || this.#stage === "loading" || place !== this.place) return false;
    if (this.#toSkip > 0) {
      this.#toSkip -= 1;
      return false;
    }
    const times = this.#times[place];
    times.push(latency);
    if (times.length > MEASURED) times.shift();
    if (times.length < MEASURED) return false;
    return this.#stage === "measuring" ? this.#compare(place) : this.#watch(place);
  }

  /**
   * Note that the runtime is gone. Returns true if another try is worth it.
   *
   * @param {string} why @param {number} now milliseconds
   */
  failure(why, now) {
    const again = now - this.#failedAt > RESTART_WITHIN_MS;
    this.#failedAt = now;
    this.place = "server";
    this.#times.browser = [];
    const reason = why.replace(/\.$/, "");
    if (again) {
      this.#stage = "loading";
      this.says = t`The model stopped in this browser (${reason}). It is started again; the server goes on meanwhile.`;
    } else {
      this.#stage = "off";
      this.says = t`The server runs the model: in this browser it failed twice (${reason}).`;
    }
    return again;
  }

  /** Note that the runtime can't be had at all. @param {string} why a sentence */
  impossible(why) {
    this.#stage = "off";
    this.place = "server";
    this.says = t`The server runs the model. ${why}`;
  }

  /** @param {Place} place */
  #compare(place) {
    if (place === "server") {
      this.#toSkip = WARM_UP;
      return this.#go("browser", t`Measuring this browser …`);
    }
    this.#stage = "running";
    const [server, browser] = [median(this.#times.server), median(this.#times.browser)];
    const told = t`${Math.round(browser)} ms a picture in this browser, ${Math.round(server)} ms by the server`;
    if (browser <= server) return this.#go("browser", t`This browser runs the model (${this.#device}): ${told}.`);
    this.#stage = "off";
    return this.#go("server", t`The server runs the model: ${told}.`);
  }

  /** @param {Place} place */
  #watch(place) {
    const mean = median(this.#times[place]);
    if (place !== "browser" || mean < SLOW_MS) return false;
    this.#stage = "off";
    return this.#go("server", t`The server runs the model: this browser took ${fixed(mean / 1000, 1)} s a picture.`);
  }

  /** @param {Place} place @param {string} says */
  #go(place, says) {
    this.place = place;
    this.says = this.note && place === "browser" ? `${says} ${this.note}` : says;
    return true;
  }
}

/** @param {number[]} values at least one */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
