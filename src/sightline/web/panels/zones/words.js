/** Words and figures of zones and lines. Pure, so that each can be tested. */

import { sum } from "../../draw/zone-layer.js";
import { count, fixed, several } from "../../lib/format.js";
import { t } from "../../lib/i18n.js";

/**
 * @typedef {import("../../wire/zones.js").ByClass} ByClass
 * @typedef {import("../../wire/zones.js").Movements} Movements
 * @typedef {import("../../wire/zones.js").Kind} Kind
 * @typedef {{name: string, cells: string[]}} Row
 * @typedef {{stream: string, painter: import("../../draw/painter.js").Painter, labels: () => readonly string[],
 *   signal?: AbortSignal | undefined}} About what panel and editor are of; `labels`: the model's classes, as far as the page knows them;
 *   `signal`: they are gone
 */

const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** Amounts by class in words, largest first. @param {ByClass} counts */
export function inWords(counts) {
  const some = Object.entries(counts).filter(([, n]) => n > 0);
  return some.sort((a, b) => b[1] - a[1]).map(([name, n]) => several(n, name)).join(", ") || t`none`;
}

/** A time that something lasted. @param {number | undefined} seconds */
export function lasted(seconds) {
  if (seconds === undefined) return "–";
  if (seconds < 9.95) return `${fixed(seconds, 1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  return seconds < 5970 ? t`${Math.round(seconds / 60)} min` : `${fixed(seconds / 3600, 1)} h`;
}

/**
 * Table of a zone: entered, left, mean and longest stay, by class.
 *
 * @param {import("../../wire/zones.js").ZoneCounts} counts
 * @returns {Row[]}
 */
export function zoneRows({ entered, left, dwell }) {
  return byAmount(entered, left).map((name) => ({
    name,
    cells: [count(entered[name] ?? 0), count(left[name] ?? 0), lasted(dwell[name]?.mean), lasted(dwell[name]?.longest)],
  }));
}

/** Table of a line: in and out, by class. @param {Movements} counts @returns {Row[]} */
export function lineRows({ in: into, out }) {
  return byAmount(into, out).map((name) => ({ name, cells: [count(into[name] ?? 0), count(out[name] ?? 0)] }));
}

/** @param {ByClass} one @param {ByClass} other */
function byAmount(one, other) {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.sort((a, b) => (one[b] ?? 0) + (other[b] ?? 0) - (one[a] ?? 0) - (other[a] ?? 0));
}

/**
 * What was counted today and in this hour.
 *
 * @param {Kind} kind @param {import("../../wire/zones.js").Counts} counts @param {string} hour the present one
 */
export function lately(kind, { hours, days }, hour) {
  const [into, out] = kind === "zone" ? [t`entered`, t`left`] : [t`in`, t`out`];
  const told = (/** @type {Movements | undefined} */ one) =>
    one ? `${count(sum(one.in))} ${into}, ${count(sum(one.out))} ${out}` : t`nothing`;
  return [
    [t`This hour`, told(hours[hour])],
    [t`Today`, told(days[hour.slice(0, 10)])],
  ];
}

/** A speed with its interval, in kilometres an hour. @param {[number, number, number]} speed metres a second: mean, least, most */
export function speedInWords([mean, least, most]) {
  const [v, from, to] = [mean, least, most].map((one) => fixed(one * 3.6, one < 2.7 ? 1 : 0));
  return t`${v} km/h (${from} to ${to})`;
}

/**
 * What is wrong with a name; "" if nothing is.
 *
 * @param {string} name @param {readonly string[]} taken by others of its kind
 */
export function nameProblem(name, taken) {
  if (!NAME.test(name)) return t`A name has 1 to 64 letters (a to z), digits, “-” or “_”.`;
  return taken.includes(name) ? t`There is one of this name already.` : "";
}

/** A name that none of these is. @param {Kind} kind @param {readonly string[]} taken */
export function freshName(kind, taken) {
  for (let n = 1; ; n += 1) if (!taken.includes(`${kind}-${n}`)) return `${kind}-${n}`;
}

/** A point in words. @param {readonly [number, number]} point 0 to 1 of the picture */
export function pointInWords([x, y]) {
  return t`${Math.round(x * 100)} % from the left, ${Math.round(y * 100)} % from the top`;
}
