/** Times and places on a strip. Pure numbers; times are seconds since 1970. */

import { t } from "../../lib/i18n.js";

/** @typedef {{from: number, to: number}} Span */

export const DAY = 86_400;
/** Lengths that a strip may have, with their names. @type {[number, string][]} */
export const LENGTHS = [
  [600, t`10 minutes`],
  [3_600, t`1 hour`],
  [6 * 3_600, t`6 hours`],
  [DAY, t`24 hours`],
];
/** Distances of marks on the axis. */
const STEPS = [60, 300, 600, 1_800, 3_600, 2 * 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600];
const SMALLEST = 10;
const MOST_BUCKETS = 480;

/** Place of a time, 0 to 1 within the span. @param {Span} span @param {number} at */
export function shareOf({ from, to }, at) {
  return (at - from) / (to - from);
}

/** Time at a place. @param {Span} span @param {number} share */
export function timeAt({ from, to }, share) {
  return from + Math.min(1, Math.max(0, share)) * (to - from);
}

/** A span of that length with a time in the middle, or that ends there. @param {number} at @param {number} length @param {boolean} ends @returns {Span} */
export function around(at, length, ends) {
  const to = ends ? at : at + length / 2;
  return { from: to - length, to };
}

/** @param {Span} span @param {number} share of its length, to later times @returns {Span} */
export function moved({ from, to }, share) {
  const by = (to - from) * share;
  return { from: from + by, to: to + by };
}

/** The span so many times as long, in which a time stays where it is. @param {Span} span @param {number} times @param {number} at @returns {Span} */
export function zoomed({ from, to }, times, at) {
  const length = Math.min(DAY, Math.max(60, (to - from) * times));
  const before = length * ((at - from) / (to - from));
  return { from: at - before, to: at - before + length };
}

/** Seconds that one mark stands for: as many as fit, in tens. @param {Span} span */
export function bucketOf({ from, to }) {
  return Math.max(SMALLEST, Math.ceil((to - from) / MOST_BUCKETS / SMALLEST) * SMALLEST);
}

/** Times to be named on the axis: full minutes and hours of local time. @param {Span} span @param {number} most @returns {number[]} */
export function ticks({ from, to }, most) {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? DAY;
  const day = new Date(from * 1000);
  day.setHours(0, 0, 0, 0);
  const midnight = day.getTime() / 1000;
  const found = [];
  for (let at = midnight + Math.ceil((from - midnight) / step) * step; at <= to; at += step) found.push(at);
  return found;
}

/** The local day that a time is in. @param {number} at @returns {Span} */
export function dayAround(at) {
  const day = new Date(at * 1000);
  const [year, month, date] = [day.getFullYear(), day.getMonth(), day.getDate()];
  return { from: new Date(year, month, date).getTime() / 1000, to: new Date(year, month, date + 1).getTime() / 1000 };
}
