/**
 * The server's messages as types. They mirror `wire/json.py`, and the golden bytes hold both.
 *
 * @typedef {import("./findings.js").Findings} Findings
 * @typedef {Findings & {type: "result", stream: string, frameNumber: number, timestamp: number, width: number,
 *   height: number, model: string, processing_time_ms: number, stages: Record<string, number>}} ResultMessage
 * @typedef {Findings & {type: "frame_metadata", stream: string, frameNumber: number, timestamp: number,
 *   width: number, height: number, format: string, captured_at: number, received_at: number, processed_at: number,
 *   processing_time_ms: number, model: string, stages: Record<string, number>, jpeg_bytes: number,
 *   rendered?: boolean}} ViewerFrame
 * @typedef {ViewerFrame & {at: number, place: number, not_inferred?: string}} PlaybackFrame of a recording: `at` is
 *   the frame's time in seconds since 1970, `place` the number of the place that was asked for
 * @typedef {{type: "playback", state: "playing" | "paused" | "gap" | "end" | "empty", at: number, speed: number,
 *   until?: number}} PlaybackState
 * @typedef {{type: "dropped", frameNumber: number, reason: string, message?: string}} DroppedMessage
 * @typedef {{type: "still", stream: string, frameNumber: number, timestamp: number, captured_at: number,
 *   processing_time_ms: number, detections?: import("./findings.js").Detection[],
 *   extras?: Record<string, object>}} StillMessage nothing moved, and the picture before is up to date; `detections`
 *   and `extras` stand in place of those before
 * @typedef {{type: "status", state: string, message: string, reason?: string}} StatusMessage `reason`: why no pictures
 *   come of a camera that has the stream
 * @typedef {{type: "hello", stream: string, model: string, max_pending: number, max_fps: number,
 *   max_message_bytes: number, max_pixels: number} & Knobs} HelloMessage
 * @typedef {{type: "adapt", reason: string, max_pending: number} & Knobs} AdaptMessage
 * @typedef {{preset: string, fps: number, quality: number, width: number}} Knobs asked of a camera: pictures
 *   per second, a JPEG's quality from 0 to 1, pixels of the longer side
 * @typedef {{type: "settings", stream: string, model: string, engine: string, device: string, imgsz: number | null,
 *   confidence: number, iou: number, max_detections: number, classes: string[] | null}} SettingsMessage
 * @typedef {{type: "settings_refused", stream: string, code: string, message: string, key: string}} SettingsRefused
 * @typedef {{type: "error", code: string, message: string}} ErrorMessage
 * @typedef {{type: "pong", timestamp: number, server_time: number}} PongMessage
 * @typedef {[number, number, number, number]} Box x1, y1, x2, y2 in pixels of the frame
 * @typedef {{type: "event", id: string, stream: string, phase: "start" | "update" | "end", kind: string, at: number,
 *   seq: number, class_name?: string, track?: number, box?: Box, zone?: string, rule?: string, actions?: string[],
 *   direction?: "in" | "out", seconds?: number, speed?: [number, number, number], reason?: string, snapshot?: string, clip?: string,
 *   number?: number}} EventMessage what is empty is left out; times are seconds since 1970
 * @typedef {{type: "tiles", frameNumber: number, tiles: {stream: string, frameNumber: number, jpeg_bytes: number}[]}} TilesMessage
 *   announces small pictures of many streams; the number is to be acknowledged
 * @typedef {{type: "position", number: number}} PositionMessage number of the last event that the server has stored
 * @typedef {ResultMessage | ViewerFrame | StillMessage | DroppedMessage | StatusMessage | HelloMessage
 *   | SettingsMessage | SettingsRefused
 *   | AdaptMessage | ErrorMessage | PongMessage | EventMessage | PositionMessage | TilesMessage
 *   | PlaybackState} ServerMessage
 */

const KNOWN = new Set([
  ...["result", "frame_metadata", "still", "dropped", "status", "hello", "adapt", "error", "pong"],
  ...["settings", "settings_refused", "event", "position", "tiles", "playback"],
]);

/** Codes of refusals that stay until somebody does something: trying again is no use. */
const FINAL = new Set(["unauthorized", "forbidden", "bad_request", "too_large"]);

/** True if the server would refuse the next try as well. @param {string} code of an error */
export function isFinal(code) {
  return FINAL.has(code);
}

/**
 * Parse a text message of the server. Null stands for one that this page does not know: a newer server may say more.
 *
 * @param {string} text
 * @returns {ServerMessage | null}
 */
export function parse(text) {
  try {
    const message = JSON.parse(text);
    return KNOWN.has(message?.type) ? message : null;
  } catch {
    return null;
  }
}
