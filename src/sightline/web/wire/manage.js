/** What admins ask of the server itself: its condition, settings, tokens and log. */

import { t } from "../lib/i18n.js";
import { askApi } from "./events.js";
import { unlessChanged } from "./versions.js";

/**
 * @typedef {{name: string, restarts: number, trouble: string}} Task
 * @typedef {{version: string, python: string, system: string, uptime_s: number, ready: boolean, reason: string,
 *   tasks: Task[], troubles: Record<string, string>, cluster: Cluster | null}} ServerReport of `GET /api/server`
 * @typedef {{node: string, name: string, address: string, cpus: number, cpus_free: number, gpus: number,
 *   gpus_free: number, leaving: boolean, clock_ahead_s: number | null}} Machine
 * @typedef {{model: string, machine: string, node: string, streams: string[], load: number, late: number, out: string}} Replica
 * @typedef {{model: string, replicas: number, coming: number, trouble: string}} Scale of a model in a cluster
 * @typedef {{models: Scale[], machines: Machine[], replicas: Replica[], problem: string}} Cluster
 * @typedef {{what: string, state: "ok" | "note" | "problem", detail: string, mend: string}} Finding
 * @typedef {{name: string, value: unknown, default: unknown, origin: string, about: string, live: boolean, version: string,
 *   changeable: boolean, expected: string}} Setting
 * @typedef {{settings: Setting[], file: string | null, kept_in: string | null}} SettingsReport of `GET /api/settings`
 * @typedef {{id: string, role: string, stream: string, created_at: number, expires_at: number | null,
 *   kind: "token" | "browser", own: boolean}} Token times are milliseconds since 1970
 * @typedef {{enabled: boolean, tokens: Token[]}} TokenList of `GET /api/tokens`
 * @typedef {{open: boolean, url: string | null, since: number | null, here: boolean, why_not: string}} Lan of `GET /api/lan`
 * @typedef {{number: number, at: number, level: string, logger: string, text: string}} Line of the log
 * @typedef {{lines: Line[], next: number}} LogReport of `GET /api/logs`
 */

/**
 * @typedef {{id: string, name: string, kind: string, stream: string, what: string[], sent: number, lost: number,
 *   waiting: number, failing: string | null, fixed: boolean, version: string, settings: Record<string, unknown> | null}} Output of `GET /api/outputs`
 */

const EXAMINE_MS = 130_000;
const TEST_MS = 20_000;
const AWAY = t`The server doesn't answer.`;

/** @param {string} method @param {object} body @param {Record<string, string>} [headers] @returns {RequestInit} */
const sending = (method, body, headers) => ({ method, body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });

export const askServer = () => /** @type {typeof askApi<ServerReport>} */ (askApi)("/api/server");
export const askSettings = () => /** @type {typeof askApi<SettingsReport>} */ (askApi)("/api/settings");
export const askTokens = () => /** @type {typeof askApi<TokenList>} */ (askApi)("/api/tokens");

export const askOutputs = () => /** @type {typeof askApi<{outputs: Output[], kinds: string[]}>} */ (askApi)("/api/outputs");

/** @param {Record<string, unknown>} keys */
export function addOutput(keys) {
  return /** @type {typeof askApi<Output>} */ (askApi)("/api/outputs", sending("POST", keys));
}

/** @param {Pick<Output, "id" | "version">} output @param {Record<string, unknown>} keys that change */
export function changeOutput({ id, version }, keys) {
  const request = sending("PATCH", keys, unlessChanged(version));
  return /** @type {typeof askApi<Output>} */ (askApi)(`/api/outputs/${encodeURIComponent(id)}`, request);
}

/** @param {Pick<Output, "id" | "version">} output */
export function removeOutput({ id, version }) {
  return askApi(`/api/outputs/${encodeURIComponent(id)}`, { method: "DELETE", headers: unlessChanged(version) });
}

/** @param {string} id */
export function testOutput(id) {
  const patience = { method: "POST", signal: AbortSignal.timeout(TEST_MS) };
  return /** @type {typeof askApi<{sent: boolean, reason: string}>} */ (askApi)(`/api/outputs/${encodeURIComponent(id)}/test`, patience);
}

export const askLan = () => /** @type {typeof askApi<Lan>} */ (askApi)("/api/lan");
export const openLan = () => /** @type {typeof askApi<Lan>} */ (askApi)("/api/lan", { method: "POST" });
export const closeLan = () => /** @type {typeof askApi<Lan>} */ (askApi)("/api/lan", { method: "DELETE" });

/** @param {Pick<Setting, "name" | "version">} setting as it was @param {unknown} value */
export function changeSetting({ name, version }, value) {
  const request = sending("PATCH", { [name]: value }, unlessChanged(version));
  return /** @type {typeof askApi<SettingsReport>} */ (askApi)("/api/settings", request);
}

/** @param {{role: string, stream: string, expires_s: number | null}} wanted */
export function makeToken(wanted) {
  return /** @type {typeof askApi<Token & {token: string}>} */ (askApi)("/api/tokens", sending("POST", wanted));
}

/** @param {string} id */
export function revokeToken(id) {
  return askApi(`/api/tokens/${encodeURIComponent(id)}`, { method: "DELETE" });
}

/** @param {{stream: string, level: string, after: number}} which */
export function askLog({ stream, level, after }) {
  const query = new URLSearchParams({ level, after: String(after), ...(stream && { stream }) });
  return /** @type {typeof askApi<LogReport>} */ (askApi)(`/api/logs?${query}`);
}

/** What the doctor finds. Takes seconds. */
export function examine() {
  const patience = { method: "POST", signal: AbortSignal.timeout(EXAMINE_MS) };
  return /** @type {typeof askApi<{findings: Finding[]}>} */ (askApi)("/api/doctor", patience);
}

/** Why something was refused, as a sentence. @param {{message: string}} refused */
export function why({ message }) {
  return message ? message.charAt(0).toUpperCase() + message.slice(1) : AWAY;
}
