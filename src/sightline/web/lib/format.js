/** Numbers for the eye: smoothed over a moment, and written so that they keep their width. */

import { className, form, language, locale, t } from "./i18n.js";

/** Mean in which a value fades with time, so that it follows a stream of any rate alike. */
export class Average {
  #tau;
  #at = 0;
  /** The mean; NaN before the first value. */
  value = NaN;

  /** @param {number} tau milliseconds after which a value counts a third */
  constructor(tau = 1000) {
    this.#tau = tau;
  }

  /** @param {number} value @param {number} now milliseconds */
  add(value, now = performance.now()) {
    const keep = Number.isNaN(this.value) ? 0 : Math.exp(-Math.max(1, now - this.#at) / this.#tau);
    this.value = keep === 0 ? value : keep * this.value + (1 - keep) * value;
    this.#at = now;
  }

  clear() {
    this.value = NaN;
  }
}

/** Events per second over the last moments, or between the newest two where those are further apart. */
export class Rate {
  #span;
  /** @type {number[]} */
  #times = [];

  /** @param {number} span of the look back, in milliseconds */
  constructor(span = 2000) {
    this.#span = span;
  }

  /** @param {number} now milliseconds */
  tick(now = performance.now()) {
    this.#times.push(now);
    this.#forget(now);
  }

  /** @param {number} now milliseconds */
  perSecond(now = performance.now()) {
    this.#forget(now);
    const first = this.#times[0];
    const last = this.#times.at(-1);
    if (first === undefined || last === undefined || first === last) return 0;
    const usual = last - (this.#times.at(-2) ?? first);
    if (now - last > Math.max(this.#span, 3 * usual)) return 0;
    const count = this.#times.length - 1;
    // While events come, only whole intervals count; once they stay away, the rate sinks.
    const late = now - last > (2 * (last - first)) / count;
    return (count * 1000) / ((late ? now : last) - first);
  }

  clear() {
    this.#times = [];
  }

  /** @param {number} now */
  #forget(now) {
    const keep = this.#times.findIndex((t) => now - t <= this.#span);
    this.#times = keep < 0 ? this.#times.slice(-2) : this.#times.slice(Math.min(keep, Math.max(0, this.#times.length - 2)));
  }
}

const UNKNOWN = "–";

/** @param {number | undefined} value frames a second */
export function fps(value) {
  return value === undefined || !Number.isFinite(value) ? UNKNOWN : fixed(value, value >= 99.95 ? 0 : value >= 0.095 || value <= 0 ? 1 : 2);
}

/** @param {number | undefined} value milliseconds */
export function millis(value) {
  if (value === undefined || !Number.isFinite(value)) return UNKNOWN;
  if (value >= 9999.5) return `${(value / 1000).toFixed(0)} s`;
  return value >= 1 || value <= 0 ? `${Math.round(Math.max(0, value))} ms` : `${fixed(value, 1)} ms`;
}

const WHOLE = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });

/** A number as the reader writes it. @param {number} value @param {number} digits behind the point */
export function fixed(value, digits) {
  return value.toLocaleString(locale, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
}

/** @param {number | undefined} value */
export function count(value) {
  return value === undefined || !Number.isFinite(value) ? UNKNOWN : WHOLE.format(value);
}

/** @param {number} share 0 to 1 */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

/** A part of the picture. @param {number} share 0 to 1 */
export function areaInWords(share) {
  return t`${share > 0 && share < 0.005 ? "<1 %" : percent(share)} of area`;
}

/** A confidence, as settings have it. Per cent are for areas. @param {number} confidence 0 to 1 */
export function score(confidence) {
  return fixed(confidence, 2);
}

/** @param {number} n @param {string} one @param {string} many */
export function plural(n, one, many = `${one}s`) {
  return `${count(n)} ${form(n, one, many)}`;
}

/** @type {Record<string, string>} */
const IRREGULAR = { person: "people", mouse: "mice", knife: "knives", sheep: "sheep", scissors: "scissors", skis: "skis" };

/**
 * An amount of a class. Names that are no plain English word stay as they are.
 *
 * @param {number} n @param {string} name of a class
 */
export function several(n, name) {
  if (language !== "en") return `${count(n)} ${className(name, n)}`;
  if (n === 1) return `1 ${name}`;
  const [, before = "", last = ""] = /^((?:[a-z]+ )*)([a-z]+)$/.exec(name) ?? [];
  if (!last) return `${count(n)} × ${name}`;
  return `${count(n)} ${before}${IRREGULAR[last] ?? regular(last)}`;
}

/** @param {string} word */
function regular(word) {
  if (/(s|x|ch|sh)$/.test(word)) return `${word}es`;
  return /[^aeiou]y$/.test(word) ? `${word.slice(0, -1)}ies` : `${word}s`;
}
