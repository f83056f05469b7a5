/** Rules of a stream: what the server has of them, and how they are set and tried. */

import { askApi } from "./events.js";
import { unlessChanged } from "./versions.js";

/**
 * @typedef {"notify" | "webhook" | "mqtt" | "command" | "clip"} Action
 * @typedef {{enabled: boolean, when: "object" | "scene" | "stream", classes: string[] | null, zone: string | null,
 *   line: string | null, direction: "in" | "out" | null, at_least: number, for_s: number, hours: string | null,
 *   outside: boolean, days: string[] | null, cooldown_s: number, actions: Action[]}} Rule as the API has it
 * @typedef {{rule: Rule, version: string, sentence: string, troubles: string[], fired: number, last: number | null}} RuleReport
 * @typedef {{at: number, seconds: number | null, track: number | null, class_name: string,
 *   box: import("./messages.js").Box | null}} Fired
 * @typedef {{seconds: number, fired: Fired[]}} Tried `seconds` were looked at
 */

const CLIP_MS = 180_000;
/** Size of the largest clip that the server looks at. */
export const MOST_CLIP_BYTES = 64 << 20;
const JSON_BODY = { "Content-Type": "application/json" };

/** @param {string} stream @param {string} name */
function addressOf(stream, name = "") {
  return `/api/streams/${stream}/rules${name && `/${encodeURIComponent(name)}`}`;
}

/** @param {string} stream */
export function askRules(stream) {
  return /** @type {typeof askApi<{rules: Record<string, RuleReport>}>} */ (askApi)(addressOf(stream));
}

/** Names of a stream's zones and lines. @param {string} stream */
export function askPlaces(stream) {
  const ask = /** @type {typeof askApi<{zones: object, lines: object}>} */ (askApi);
  return ask(`/api/streams/${stream}/zones`);
}

/** Names of the classes of a stream's model. @param {string} stream @returns {Promise<string[]>} */
export async function askClasses(stream) {
  const { body } = await /** @type {typeof askApi<{labels: string[]}>} */ (askApi)(`/api/streams/${stream}`);
  return body?.labels ?? [];
}

/** @param {string} stream @param {string} name @param {Rule} rule @param {string} version of the rule that is changed; "" for a new one */
export function putRule(stream, name, rule, version) {
  const headers = { ...JSON_BODY, ...unlessChanged(version) };
  return /** @type {typeof askApi<RuleReport>} */ (askApi)(addressOf(stream, name), { method: "PUT", headers, body: JSON.stringify(rule) });
}

/** @param {string} stream @param {string} name @param {string} version */
export function deleteRule(stream, name, version) {
  return askApi(addressOf(stream, name), { method: "DELETE", headers: unlessChanged(version) });
}

/** What a rule would have told over the last minutes. @param {string} stream @param {Rule} rule */
export function tryRule(stream, rule) {
  const ask = /** @type {typeof askApi<Tried>} */ (askApi);
  return ask(`${addressOf(stream)}/test`, { method: "POST", headers: JSON_BODY, body: JSON.stringify(rule) });
}

/** What a rule would have told over a clip. @param {string} stream @param {Rule} rule @param {File} clip */
export function tryClip(stream, rule, clip) {
  const body = new FormData();
  body.set("rule", JSON.stringify(rule));
  body.set("clip", clip);
  const ask = /** @type {typeof askApi<Tried>} */ (askApi);
  return ask(`${addressOf(stream)}/test/clip`, { method: "POST", body, signal: AbortSignal.timeout(CLIP_MS) });
}
