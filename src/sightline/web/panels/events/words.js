/** Happenings and their times in words. Pure, so that each can be tested. */

import { fixed } from "../../lib/format.js";
import { className, dateLocale, locale, t } from "../../lib/i18n.js";

/** @typedef {import("../../wire/events.js").Happening} Happening */

/** Kinds to filter by, with their names. @type {[string, string][]} */
export const KINDS = [
  ["rule", t`Rules`],
  ["zone", t`In a zone`],
  ["line", t`Over a line`],
  ["loiter", t`Loitering`],
  ["object", t`Objects`],
  ["scene", t`Camera covered or moved`],
  ["stream", t`Camera lost`],
];

/** A kind in words. @param {string} kind */
export function kindInWords(kind) {
  return KINDS.find(([name]) => name === kind)?.[1] ?? kind;
}

/**
 * A happening as a sentence, such as `Person in drive for 12 s`.
 *
 * @param {Happening} one @param {number} now seconds since 1970
 */
export function inWords(one, now) {
  const what = phrase(one);
  const lasted = one.direction || isMoment(one) ? null : secondsOf(one, now);
  const sentence = lasted === null ? what : t`${what} for ${duration(lasted)}`;
  const named = one.kind === "rule" && one.rule ? `${one.rule}: ${sentence}` : sentence;
  return named.charAt(0).toUpperCase() + named.slice(1);
}

/** @param {Happening} one */
function phrase({ kind, class_name, zone, direction, reason }) {
  const who = className(class_name) || t`something`;
  if (kind === "scene") return t`camera ${SCENES[class_name] || class_name || reason || t`covered or moved`}`;
  if (kind === "stream") return t`camera lost`;
  if (kind === "line" || direction) return t`${who} crossed ${zone || t`a line`}${direction && `, ${wayInWords(direction)}`}`;
  if (kind === "loiter") return t`${who} loitering${zone ? t` in ${zone}` : ""}`;
  if (zone) return t`${who} in ${zone}`;
  if (kind === "object") return t`${who} seen`;
  if (kind === "rule") return class_name ? t`${who} seen` : t`it happened`;
  return class_name ? `${kind}: ${who}` : kind;
}

/** @type {Record<string, string>} */
const SCENES = { covered: t`covered`, moved: t`moved` };

/** Which way something crossed a line. @param {string} direction */
export function wayInWords(direction) {
  return { in: t`in`, out: t`out` }[direction] ?? direction;
}

/** True for what has no duration that says anything. @param {Happening} one */
export function isMoment({ kind, seconds, ended_at, class_name }) {
  return (ended_at !== null && !seconds) || (kind === "scene" && class_name === "moved");
}

/** True while it goes on. @param {Happening} one */
export function isLasting({ ended_at }) {
  return ended_at === null;
}

/** How long it lasted, or has lasted by now. @param {Happening} one @param {number} now seconds since 1970 */
export function secondsOf({ seconds, started_at, ended_at }, now) {
  return seconds ?? Math.max(0, (ended_at ?? now) - started_at);
}

/** A length of time. @param {number} seconds */
export function duration(seconds) {
  if (seconds < 1) return seconds > 0 ? t`under 1 s` : "0 s";
  if (seconds < 10) return `${(Math.round(seconds * 10) / 10).toLocaleString(locale)} s`;
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  const [days, hours, minutes, rest] = split(Math.round(seconds));
  if (days) return hours ? t`${days} d ${hours} h` : t`${days} d`;
  if (hours) return minutes ? t`${hours} h ${minutes} min` : `${hours} h`;
  return rest ? t`${minutes} min ${rest} s` : t`${minutes} min`;
}

/** Days, hours, minutes and seconds. @param {number} seconds whole @returns {[number, number, number, number]} */
function split(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  return [Math.floor(hours / 24), hours % 24, minutes % 60, seconds % 60];
}

/** How long ago a time was. @param {number} at @param {number} now both in seconds since 1970 */
export function ago(at, now) {
  const seconds = now - at;
  if (seconds < 5) return t`just now`;
  if (seconds < 60) return t`${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return t`${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return t`${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86400);
  return days === 1 ? t`1 day ago` : t`${days} days ago`;
}

/** Time of day, as it is written where the reader is. @param {number} at seconds since 1970 */
export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
}

/** A time to the millisecond, with its day. @param {number} at seconds since 1970 */
export function exactly(at) {
  const time = new Date(at * 1000);
  const day = time.toLocaleDateString(dateLocale, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
  const fraction = { fractionalSecondDigits: /** @type {3} */ (3) };
  const hours = { hour: /** @type {const} */ ("2-digit"), minute: /** @type {const} */ ("2-digit") };
  return `${day}, ${time.toLocaleTimeString(locale, { ...hours, second: "2-digit", ...fraction })}`;
}

/** Local day of a time, as a key. @param {number} at seconds since 1970 */
export function dayOf(at) {
  const time = new Date(at * 1000);
  return `${time.getFullYear()}-${time.getMonth() + 1}-${time.getDate()}`;
}

/** Name of a time's day. @param {number} at @param {number} now both in seconds since 1970 */
export function dayInWords(at, now) {
  if (dayOf(at) === dayOf(now)) return t`Today`;
  if (dayOf(at) === dayOf(now - 86400)) return t`Yesterday`;
  const time = new Date(at * 1000);
  const year = time.getFullYear() === new Date(now * 1000).getFullYear() ? undefined : /** @type {const} */ ("numeric");
  return time.toLocaleDateString(dateLocale, { weekday: "long", day: "numeric", month: "long", year });
}

/** A mean speed with its interval, or "". @param {Happening["speed"]} speed in metres a second */
export function speedInWords(speed) {
  if (!speed) return "";
  const [mean, low, high] = speed.map((value) => fixed(value * 3.6, 1));
  return t`${mean} km/h (${low} to ${high})`;
}

/** What a button says of those that came meanwhile. @param {number} n @param {boolean} more there are more */
export function newInWords(n, more) {
  return more ? t`More than ${n} new` : t`${n} new`;
}
