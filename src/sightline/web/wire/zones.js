/** A stream's zones and lines: what the server says of them, and how they are set. */

import { said, t } from "../lib/i18n.js";
import { bearer } from "./session.js";
import { CHANGED, unlessChanged } from "./versions.js";

/**
 * @typedef {"zone" | "line"} Kind
 * @typedef {{points: [number, number][], classes: string[] | null, min_size: number, anchor: "bottom" | "center",
 *   color: string | null, ground?: [number, number][] | null, loiter_s?: number | null}} Shape
 * @typedef {Record<string, number>} ByClass
 * @typedef {{in: ByClass, out: ByClass}} Movements
 * @typedef {{since: number | null, total: Movements, hours: Record<string, Movements>, days: Record<string, Movements>}} Counts
 * @typedef {{zone: Shape, version: string, unknown_classes: string[], now: ByClass, most: number,
 *   dwell: Record<string, {visits: number, mean: number, longest: number}>, counts: Counts}} ZoneReport
 * @typedef {{line: Shape, version: string, unknown_classes: string[], counts: Counts}} LineReport
 * @typedef {{zones: Record<string, ZoneReport>, lines: Record<string, LineReport>, revision: number, hour: string}} Report of
 *   `GET /api/streams/NAME/zones`
 * @typedef {{now: ByClass, entered: ByClass, left: ByClass, dwell: Record<string, {mean: number, longest: number}>,
 *   most: number}} ZoneCounts
 * @typedef {{zones: Record<string, ZoneCounts>, lines: Record<string, Movements>, revision?: number,
 *   speeds?: Record<string, Record<string, [number, number, number]>>}} Counted `extras.zones` of a result
 * @typedef {{ok: true, version: string} | {ok: false, status: number, key: string, message: string}} Answer `status` 0 where the server does
 *   not answer; `key`: what it blames, "" for nothing
 */

const GIVE_UP_MS = 10_000;

/** What the stage of zones said with a picture. @param {import("./findings.js").Findings | null} findings */
export function countedIn(findings) {
  return /** @type {Counted | undefined} */ (findings?.extras?.["zones"]);
}

/** Zones and lines, and what they counted; null where the server does not say. @param {string} server its origin @param {string} stream @param {string} token @returns {Promise<Report | null>} */
export async function zonesOf(server, stream, token = "") {
  try {
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await fetch(`${server}/api/streams/${stream}/zones`, { signal, cache: "no-store", headers: bearer(token) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** @param {string} stream @param {Kind} kind @param {string} name @param {Partial<Shape>} shape @param {string} version of the one that is changed; "" for a new one */
export function setShape(stream, kind, name, shape, version) {
  return call("PUT", address(stream, kind, name), unlessChanged(version), shape);
}

/** Remove a zone or a line, also when the page is about to go. @param {string} stream @param {Kind} kind @param {string} name @param {string} version */
export async function removeShape(stream, kind, name, version) {
  const answer = await call("DELETE", address(stream, kind, name), unlessChanged(version));
  return !answer.ok && answer.status === 404 ? /** @type {Answer} */ ({ ok: true, version: "" }) : answer; // somebody else has removed it
}

/** Have it count from nothing. @param {string} stream @param {Kind} kind @param {string} name */
export function resetShape(stream, kind, name) {
  return call("POST", `${address(stream, kind, name)}/reset`);
}

/** @param {string} stream @param {Kind} kind @param {string} name */
function address(stream, kind, name) {
  return `/api/streams/${stream}/${kind}s/${encodeURIComponent(name)}`;
}

/** @param {string} method @param {string} path @param {Record<string, string>} [headers] @param {object} [body] @returns {Promise<Answer>} */
async function call(method, path, headers = {}, body) {
  const json = { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  try {
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await fetch(path, { method, signal, keepalive: true, headers, ...(body ? json : {}) });
    if (answer.ok) return { ok: true, version: answer.status === 204 ? "" : (await answer.json()).version };
    if (answer.status === CHANGED) return { ok: false, status: CHANGED, key: "", message: t`Somebody else has changed it meanwhile.` };
    const { error } = await answer.json();
    return { ok: false, status: answer.status, key: error.key ?? "", message: inWords(error) };
  } catch {
    return { ok: false, status: 0, key: "", message: t`The server did not answer. Try again.` };
  }
}

/** An error of the API as a sentence. @param {{message: string, got?: string, expected?: string, key?: string}} error */
function inWords({ message, key }) {
  const text = said(key && message.startsWith(`${key}: `) ? message.slice(key.length + 2) : message);
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
