/** Share links: what one gives, and how they are made and taken back. Times are seconds since 1970. */

import { askApi } from "./events.js";

/**
 * @typedef {{name: string, from: number, to: number, ends_at: number, plays: boolean, file: string}} Shared
 * @typedef {{id: string, stream: string, from: number, to: number, export: string | null, made_at: number,
 *   ends_at: number, by: string, path: string}} Share
 */

/** @param {string} link */
export function askShared(link) {
  return /** @type {typeof askApi<Shared>} */ (askApi)(`/api/shared/${link}`);
}

export function askShares() {
  return /** @type {typeof askApi<{shares: Share[]}>} */ (askApi)("/api/shares");
}

/** @param {string} stream @param {{from: number, to: number, expires_s?: number, export?: string}} wish */
export function makeShare(stream, wish) {
  const body = JSON.stringify(wish);
  const ask = /** @type {typeof askApi<Share>} */ (askApi);
  return ask(`/api/recordings/${encodeURIComponent(stream)}/shares`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
}

/** @param {string} id */
export function takeBack(id) {
  return askApi(`/api/shares/${encodeURIComponent(id)}`, { method: "DELETE" });
}
