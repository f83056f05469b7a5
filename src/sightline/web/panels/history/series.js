/** What is plotted of a stream's last day. Pure. */

import { fps, millis, percent, plural, several } from "../../lib/format.js";
import { t } from "../../lib/i18n.js";

/**
 * @typedef {{at: number, fps: number, latency_ms: number | null, lost: number, objects: Record<string, number>,
 *   shares: Record<string, number>}} Minute as `GET /api/streams/NAME/history` has it
 * @typedef {(minute: Minute) => number | null} Figure
 */

const MINUTE_S = 60;
/** Classes that have a line of their own. */
const MOST = 6;

/**
 * Columns of a plot. A figure is a step as wide as its minute, and minutes without any leave a gap.
 *
 * @param {readonly Minute[]} minutes @param {readonly Figure[]} figures
 * @returns {(number | null)[][]} times, then the values of each figure
 */
export function columnsOf(minutes, figures) {
  /** @type {(number | null)[][]} */
  const columns = [[], ...figures.map(() => [])];
  const add = (/** @type {number} */ at, /** @type {(number | null)[]} */ values) =>
    [at, ...values].forEach((value, i) => columns[i]?.push(value));
  minutes.forEach((minute, i) => {
    const values = figures.map((figure) => figure(minute));
    add(minute.at, values);
    add(minute.at + MINUTE_S - 1, values);
    const next = minutes[i + 1];
    if (next && next.at > minute.at + MINUTE_S) add(minute.at + MINUTE_S, figures.map(() => null));
  });
  return columns;
}

/**
 * The classes that were seen in most minutes, most first, with the most that was seen of each at a time.
 *
 * @param {readonly Minute[]} minutes @param {"objects" | "shares"} kind
 * @returns {{name: string, most: number}[]}
 */
export function classesOf(minutes, kind) {
  /** @type {Map<string, {name: string, most: number, minutes: number}>} */
  const found = new Map();
  for (const minute of minutes) {
    for (const [name, amount] of Object.entries(minute[kind])) {
      const one = found.get(name) ?? { name, most: 0, minutes: 0 };
      found.set(name, { name, most: Math.max(one.most, amount), minutes: one.minutes + 1 });
    }
  }
  const shown = [...found.values()].filter(({ name }) => kind === "objects" || name !== "background");
  return shown.sort((a, b) => b.minutes - a.minutes || a.name.localeCompare(b.name)).slice(0, MOST);
}

/** @param {{name: string, most: number}} found @param {"objects" | "shares"} kind */
export function mostInWords({ name, most }, kind) {
  return kind === "objects" ? several(most, name) : `${name} ${percent(most)}`;
}

/** The day in a sentence. @param {readonly Minute[]} minutes */
export function inWords(minutes) {
  const withResults = minutes.filter(({ latency_ms }) => latency_ms !== null);
  const mean = (/** @type {Figure} */ figure) =>
    withResults.reduce((sum, minute) => sum + (figure(minute) ?? 0), 0) / withResults.length;
  const lost = minutes.reduce((sum, minute) => sum + minute.lost, 0);
  if (!minutes.length) return t`Nothing was counted in the last 24 hours. Figures begin with the first picture that somebody wants.`;
  const hours = Math.floor(minutes.length / 60);
  const long = hours ? t`${plural(hours, "hour")} ${minutes.length % 60} min` : t`${minutes.length} min`;
  return t`${long} with pictures in the last 24 hours: on average ${fps(mean((one) => one.fps))} fps and ${millis(mean((one) => one.latency_ms))} in the server. ${plural(lost, "picture")} without a result.`;
}
