/** Status of a viewer. Pure, so that every case can be tested. */

import { isFinal } from "../wire/messages.js";

/**
 * @typedef {"connecting" | "waiting" | "live" | "stalled" | "gone" | "reconnecting" | "paused" | "error"} State
 *   `waiting`: no camera sends now; `gone`: the camera left; `stalled`: the camera is there, but no picture comes;
 *   `paused`: nobody sees the page; `error`: the server refused, and trying again is no use
 * @typedef {{
 *   phase: import("../wire/socket.js").Phase,
 *   retryAt: number,
 *   refused: {code: string, message: string} | null,
 *   camera: "unknown" | "waiting" | "live" | "ended",
 *   reason: string,
 *   paused: boolean,
 *   model: {state: string, message: string},
 *   hadPicture: boolean,
 *   hadServer: boolean,
 *   quiet: number,
 * }} Situation `retryAt` is on the clock of `performance.now()`; `reason`: why no pictures come of a camera that is
 *   there, "" where none is; `quiet`: milliseconds since the last picture, or since the camera went live
 */

const QUIET_MS = 3_000;

/** Status of a viewer that has not connected yet. @returns {Situation} */
export function atRest() {
  return {
    ...{ phase: "closed", retryAt: 0, refused: null, camera: "unknown", model: { state: "", message: "" }, quiet: 0 },
    ...{ paused: false, hadPicture: false, hadServer: false, reason: "" },
  };
}

/** @param {Situation} s @returns {State} */
export function stateOf(s) {
  if (s.paused) return "paused";
  if (s.phase !== "open") {
    if (s.refused) return isFinal(s.refused.code) ? "error" : "reconnecting";
    return s.phase !== "waiting" && !s.hadServer ? "connecting" : "reconnecting";
  }
  if (s.camera === "unknown") return "connecting";
  if (s.camera === "waiting") return "waiting";
  if (s.camera === "ended") return "gone";
  return s.quiet < QUIET_MS ? "live" : "stalled";
}
