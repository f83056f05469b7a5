/** Exports of recordings, as the server makes and keeps them. Times are seconds since 1970. */

import { askApi } from "./events.js";

/**
 * @typedef {"recorded" | "converted" | "drawn" | "blurred"} Kind
 * @typedef {"mp4" | "webm" | "gif" | "pictures"} Format
 * @typedef {{from: number, to: number, kind: Kind, mode: string, opacity: number | null, format: Format, speed: number,
 *   every_s: number, hidden: string[]}} Wish
 * @typedef {{id: string, stream: string, from: number, to: number, kind: Kind, mode: string, format: Format, speed: number,
 *   every_s: number,
 *   state: "waiting" | "running" | "done" | "failed", progress: number, bytes: number, made_at: number, ends_at: number,
 *   why: string, file: string | null}} Export
 */

export function askExports() {
  return /** @type {typeof askApi<{exports: Export[]}>} */ (askApi)("/api/exports");
}

/** @param {string} stream @param {Wish} wish */
export function makeExport(stream, wish) {
  const request = { method: "POST", body: JSON.stringify(wish), headers: { "Content-Type": "application/json" } };
  return /** @type {typeof askApi<Export>} */ (askApi)(`/api/recordings/${encodeURIComponent(stream)}/exports`, request);
}

/** Delete one, or stop making it. @param {string} id */
export function dropExport(id) {
  return askApi(`/api/exports/${encodeURIComponent(id)}`, { method: "DELETE" });
}
