/** What is recorded, as the server tells it. Times are seconds since 1970. */

import { askApi } from "./events.js";

/**
 * @typedef {{mode: string, schedule: string, recording: boolean, why: string | null, bytes: number, first_at: number | null,
 *   last_at: number | null, written: number, lost: Record<string, number>}} Recorded of one stream
 * @typedef {{streams: Record<string, Recorded>, free_bytes: number, used_bytes: number, stopped: string | null}} Overview
 * @typedef {{id: number | string, started_at: number, ended_at: number, frames: number, bytes: number, codec: string,
 *   width: number, height: number, protected: boolean}} Segment
 * @typedef {{from: number, to: number, reason: string}} Gap
 * @typedef {{segments: Segment[], gaps: Gap[]}} Spans
 * @typedef {{bucket_s: number, from: number, motion: (number | null)[], classes: Record<string, number[]>}} Marks
 *   `motion` is null where nothing is recorded
 * @typedef {{stream: string, at: number, class_name: string, count: number, zone: string, rule: string, event: string,
 *   recorded: boolean}} Found `event`: id of what happened; "" for what was only seen
 */

/** @param {string} stream */
const pathOf = (stream) => `/api/recordings/${encodeURIComponent(stream)}`;

export function askOverview() {
  return /** @type {typeof askApi<Overview>} */ (askApi)("/api/recordings");
}

/** @param {string} stream @param {number} from @param {number} to */
export function askSpans(stream, from, to) {
  return /** @type {typeof askApi<Spans>} */ (askApi)(`${pathOf(stream)}?${new URLSearchParams({ from: `${from}`, to: `${to}` })}`);
}

/** @param {string} stream @param {number} from @param {number} to @param {number} bucket seconds */
export function askMarks(stream, from, to, bucket) {
  const query = new URLSearchParams({ from: `${from}`, to: `${to}`, bucket_s: `${bucket}` });
  return /** @type {typeof askApi<Marks>} */ (askApi)(`${pathOf(stream)}/marks?${query}`);
}

/** @param {URLSearchParams} query */
export function askFound(query) {
  return /** @type {typeof askApi<{found: Found[], next: string | null}>} */ (askApi)(`/api/search?${query}`);
}

/** Record by hand, or no longer. @param {string} stream @param {boolean} on */
export function recordNow(stream, on) {
  const body = JSON.stringify({ on });
  return askApi(`${pathOf(stream)}/record`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

/** Keep the last seconds and the next ones for good. @param {string} stream */
export function saveClip(stream) {
  const ask = /** @type {typeof askApi<{from: number, to: number, before_s: number, page: string}>} */ (askApi);
  return ask(`${pathOf(stream)}/clips`, { method: "POST" });
}

/**
 * Set what of a stream is recorded, and at which times of the week. For admins of it.
 *
 * @param {string} stream @param {{record: string, record_schedule: string}} change
 */
export function setRecording(stream, change) {
  const body = JSON.stringify(change);
  return askApi(`/api/streams/${encodeURIComponent(stream)}`, { method: "PATCH", body, headers: { "Content-Type": "application/json" } });
}

/** Address of a small picture. @param {string} stream @param {number} at @param {number} width */
export function thumbnailOf(stream, at, width) {
  return `${pathOf(stream)}/thumbnail.jpg?at=${at.toFixed(3)}&width=${width}`;
}
