/** Which happenings a person wants to see, as the page's address and the API have it. Pure. */

import { t } from "../../lib/i18n.js";

/**
 * @typedef {"stream" | "kind" | "class" | "zone" | "rule" | "last" | "since" | "until"} Key
 * @typedef {Record<Key, string>} Filters "" for any. `last`: seconds before now; `since` and `until`: ISO times
 * @typedef {import("../../wire/events.js").Happening} Happening
 */

/** @type {Key[]} */
const KEYS = ["stream", "kind", "class", "zone", "rule", "last", "since", "until"];

/** Spans to choose from, in seconds. @type {[string, string][]} */
export const SPANS = [
  ["", t`Any time`],
  ["3600", t`Last hour`],
  ["86400", t`Last 24 hours`],
  ["604800", t`Last 7 days`],
];

/** Filters of a page's address. @param {string} search @returns {Filters} */
export function readFilters(search) {
  const query = new URLSearchParams(search);
  const read = /** @type {Filters} */ (Object.fromEntries(KEYS.map((key) => [key, (query.get(key) ?? "").trim()])));
  for (const key of /** @type {const} */ (["since", "until"])) if (Number.isNaN(Date.parse(read[key]))) read[key] = "";
  if (!(Number(read.last) > 0) || read.since || read.until) read.last = "";
  return read;
}

/** The page's address with these filters. @param {Filters} filters @param {string} event that is open, "" for none */
export function toSearch(filters, event = "") {
  const query = new URLSearchParams(KEYS.filter((key) => filters[key]).map((key) => [key, filters[key]]));
  if (event) query.set("event", event);
  return query.size ? `?${query}` : "";
}

/**
 * The API's query.
 *
 * @param {Filters} filters @param {number} now seconds since 1970
 */
export function toQuery(filters, now) {
  const { stream, kind, class: className, zone, rule } = filters;
  const { since, until } = spanOf(filters, now);
  const given = { stream, kind, class: className, zone, rule, since: number(since), until: number(until) };
  return new URLSearchParams(Object.entries(given).filter(([, value]) => value !== ""));
}

/** True if any is set. @param {Filters} filters */
export function anySet(filters) {
  return KEYS.some((key) => filters[key]);
}

/** True if a time is set. @param {Filters} filters */
export function timeSet({ last, since, until }) {
  return Boolean(last || since || until);
}

/**
 * Whether a happening is one of those, as the server decides it.
 *
 * @param {Happening} one @param {Filters} filters @param {number} now seconds since 1970
 */
export function matches(one, filters, now) {
  const { since, until } = spanOf(filters, now);
  const same = [
    [filters.stream, one.stream],
    [filters.kind, one.kind],
    [filters.class, one.class_name],
    [filters.zone, one.zone],
    [filters.rule, one.rule],
  ].every(([wanted, is]) => !wanted || wanted === is);
  return same && (since === null || one.started_at >= since) && (until === null || one.started_at <= until);
}

/** @param {Filters} filters @param {number} now @returns {{since: number | null, until: number | null}} */
function spanOf({ last, since, until }, now) {
  if (last) return { since: Math.floor(now - Number(last)), until: null };
  return { since: seconds(since), until: seconds(until) };
}

/** @param {string} iso */
function seconds(iso) {
  return iso ? Date.parse(iso) / 1000 : null;
}

/** @param {number | null} value */
function number(value) {
  return value === null ? "" : String(value);
}

/** A time as a field for local time has it. @param {string} iso @returns {string} such as 2026-11-29T08:00 */
export function toLocal(iso) {
  if (!iso) return "";
  const time = new Date(iso);
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The time of a field for local time. @param {string} local @returns {string} in UTC, "" if it is none */
export function toIso(local) {
  const time = local ? new Date(local) : null;
  return time && !Number.isNaN(time.getTime()) ? time.toISOString().replace(":00.000Z", "Z") : "";
}
