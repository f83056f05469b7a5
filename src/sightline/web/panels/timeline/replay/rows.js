/** What was found then and now, in words and numbers. Pure. */

import { className, t } from "../../../lib/i18n.js";
import { momentInWords } from "../words.js";

/**
 * @typedef {import("../../../wire/replays.js").Outcome} Outcome
 * @typedef {import("../../../wire/replays.js").Passed} Passed
 * @typedef {{what: string, then: string, now: string}} Row
 */

const NONE = "–";
const LONGEST_S = 3_600;

/** What is looked at of a longer span: the hour around a time. @param {import("../scale.js").Span} span @param {number} at NaN for none @returns {import("../scale.js").Span} */
export function hourOf({ from, to }, at) {
  if (to - from <= LONGEST_S) return { from, to };
  const middle = at >= from && at <= to ? at : to;
  const begin = Math.min(Math.max(from, middle - LONGEST_S / 2), to - LONGEST_S);
  return { from: begin, to: begin + LONGEST_S };
}

/** Numbers side by side. @param {Outcome} outcome @returns {Row[]} */
export function rowsOf({ then, now }) {
  const classes = both(then.classes, now.classes).sort().flatMap((name) => [
    row(t`${className(name)}: objects`, then.classes[name]?.objects ?? 0, now.classes[name]?.objects ?? 0),
    row(t`${className(name)}: frames`, then.classes[name]?.frames ?? 0, now.classes[name]?.frames ?? 0),
  ]);
  const fired = both(then.fired, now.fired).map((name) => row(t`Rule ${name}`, then.fired[name] ?? 0, now.fired[name] ?? 0));
  return [...classes, ...passed(then.zones, now.zones, [t`entered`, t`left`]), ...passed(then.lines, now.lines, [t`in`, t`out`]), ...fired];
}

/** @param {Record<string, Passed>} then @param {Record<string, Passed>} now @param {[string, string]} words */
function passed(then, now, [into, out]) {
  return both(then, now).flatMap((name) => {
    const [before, after] = [then[name], now[name]];
    const classes = [...new Set([before?.into, before?.out, after?.into, after?.out].flatMap((one) => Object.keys(one ?? {})))].sort();
    return classes.flatMap((kind) => [
      row(`${name}: ${className(kind)} ${into}`, before && (before.into[kind] ?? 0), after && (after.into[kind] ?? 0)),
      row(`${name}: ${className(kind)} ${out}`, before && (before.out[kind] ?? 0), after && (after.out[kind] ?? 0)),
    ]);
  });
}

/** @param {object} one @param {object} other */
const both = (one, other) => [...new Set([...Object.keys(one), ...Object.keys(other)])];

/** @param {string} what @param {number | undefined} then @param {number | undefined} now @returns {Row} */
const row = (what, then, now) => ({ what, then: `${then ?? NONE}`, now: `${now ?? NONE}` });

/** @param {Outcome} outcome */
export function summaryOf({ frames, both: looked, differing, then, now }) {
  const models = t`Then ${then.models.join(", ") || t`no model`}, now ${now.models.join(", ") || t`no model`}.`;
  if (!looked) return t`${models} None of the ${frames} frames has a result of then.`;
  return `${models} ${differing ? t`${differing} of ${looked} frames differ.` : t`All ${looked} frames are the same.`}`;
}

/** Times at which rules fired, oldest first. @param {Outcome} outcome @returns {{at: number, words: string}[]} */
export function firingsOf({ then, now }) {
  /** @type {[string, import("../../../wire/replays.js").Side][]} */
  const sides = [[t`Then`.toLowerCase(), then], [t`Now`.toLowerCase(), now]];
  return sides
    .flatMap(([side, { events }]) => events.filter(({ kind }) => kind === "rule").map(({ at, name }) => ({ at, words: `${momentInWords(at)}: ${name}, ${side}` })))
    .sort((a, b) => a.at - b.at);
}

/** The frame that differs before or after a time. @param {Outcome} outcome @param {number} at NaN for none @param {1 | -1} way */
export function differenceBeside({ differences }, at, way) {
  const near = 0.0005;
  if (Number.isNaN(at)) return differences[0];
  if (way > 0) return differences.find((one) => one.at > at + near);
  return differences.findLast((one) => one.at < at - near);
}

/** What was found in a frame. @param {Outcome} outcome @param {number} at */
export function differenceAt({ differences }, at) {
  return differences.find((one) => Math.abs(one.at - at) < 0.0005);
}

/** @param {readonly {class_name: string, confidence: number}[]} found */
export function foundInWords(found) {
  return found.map(({ class_name, confidence }) => `${className(class_name)} ${Math.round(confidence * 100)} %`).join(", ") || t`nothing`;
}
