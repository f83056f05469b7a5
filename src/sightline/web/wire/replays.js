/** Recordings that the server looks at again, and what came of it. Times are seconds since 1970. */

import { askApi } from "./events.js";

/**
 * @typedef {{id: string, stream: string, from: number, to: number, model: string, confidence: number,
 *   state: "running" | "done" | "failed" | "cancelled", progress: number, made_at: number, why: string}} Replay
 * @typedef {{from: number, to: number, model: string | null, confidence: number | null}} Wish null: as the stream has it
 * @typedef {{class_id: number, class_name: string, confidence: number, xyxy: [number, number, number, number]}} Found
 * @typedef {{at: number, width: number, height: number, then: Found[], now: Found[]}} Difference
 * @typedef {{into: Record<string, number>, out: Record<string, number>}} Passed
 * @typedef {{at: number, kind: string, name: string, class_name: string, direction: string, seconds: number | null}} Happened
 * @typedef {{models: string[], frames: number, classes: Record<string, {frames: number, most: number, objects: number}>,
 *   zones: Record<string, Passed>, lines: Record<string, Passed>, fired: Record<string, number>, events: Happened[]}} Side
 * @typedef {{stream: string, since: number, until: number, frames: number, both: number, differing: number, then: Side,
 *   now: Side, differences: Difference[]}} Outcome
 */

/** @param {string} id */
const pathOf = (id) => `/api/replays/${encodeURIComponent(id)}`;

export function askReplays() {
  return /** @type {typeof askApi<{replays: Replay[]}>} */ (askApi)("/api/replays");
}

/** @param {string} id */
export function askReplay(id) {
  return /** @type {typeof askApi<Replay>} */ (askApi)(pathOf(id));
}

/** @param {string} id */
export function askOutcome(id) {
  return /** @type {typeof askApi<Outcome>} */ (askApi)(`${pathOf(id)}/outcome`);
}

/** @param {string} stream @param {Wish} wish */
export function beginReplay(stream, wish) {
  const request = { method: "POST", body: JSON.stringify(wish), headers: { "Content-Type": "application/json" } };
  return /** @type {typeof askApi<Replay>} */ (askApi)(`/api/recordings/${encodeURIComponent(stream)}/replays`, request);
}

/** @param {string} id */
export function cancelReplay(id) {
  return askApi(pathOf(id), { method: "DELETE" });
}
