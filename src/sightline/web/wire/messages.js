/**
 * The wire's messages as types, and what they mean in words. Mirrors `protocol.py`.
 *
 * @typedef {{class_id: number, class_name: string, confidence: number, xyxy: [number, number, number, number],
 *   tracker_id?: number}} Detection
 * @typedef {{class_id: number, class_name: string, share: number}} Segment
 * @typedef {{detections: Detection[], segments?: Segment[], mask_bytes?: number,
 *   mask_kind?: "instances" | "classes", reused?: boolean, browser?: string,
 *   rtp_timestamp?: number}} Findings what a model said of one picture
 *
 * @typedef {Findings & {type: "result", stream: string, frameNumber: number, timestamp: number, width: number,
 *   height: number, model: string, processing_time_ms: number, stages: Record<string, number>}} ResultMessage
 * @typedef {Findings & {type: "frame_metadata", stream: string, frameNumber: number, timestamp: number,
 *   width: number, height: number, format: string, captured_at: number, received_at: number, processed_at: number,
 *   processing_time_ms: number, model: string, stages: Record<string, number>, jpeg_bytes: number,
 *   rendered?: boolean}} ViewerFrame
 * @typedef {{type: "dropped", frameNumber: number, reason: string, message?: string}} DroppedMessage
 * @typedef {{type: "still", stream: string, frameNumber: number, timestamp: number, captured_at: number,
 *   processing_time_ms: number}} StillMessage nothing moved: the picture before is still what the camera sees
 * @typedef {{type: "status", state: string, message: string}} StatusMessage
 * @typedef {{type: "hello", stream: string, model: string, max_pending: number, max_fps: number,
 *   max_message_bytes: number, max_pixels: number} & Knobs} HelloMessage
 * @typedef {{type: "adapt", reason: string, max_pending: number} & Knobs} AdaptMessage
 * @typedef {{preset: string, fps: number, quality: number, width: number}} Knobs what the server asks of a camera:
 *   pictures a second, a JPEG's quality 0 to 1, pixels of the longer side
 * @typedef {{type: "settings", stream: string, model: string, engine: string, device: string, imgsz: number | null,
 *   confidence: number, iou: number, max_detections: number, classes: string[] | null}} SettingsMessage
 * @typedef {{type: "settings_refused", stream: string, code: string, message: string, key: string}} SettingsRefused
 * @typedef {{type: "error", code: string, message: string}} ErrorMessage
 * @typedef {{type: "pong", timestamp: number, server_time: number}} PongMessage
 * @typedef {ResultMessage | ViewerFrame | StillMessage | DroppedMessage | StatusMessage | HelloMessage
 *   | SettingsMessage | SettingsRefused
 *   | AdaptMessage | ErrorMessage | PongMessage} ServerMessage
 */

const KNOWN = new Set([
  ...["result", "frame_metadata", "still", "dropped", "status", "hello", "adapt", "error", "pong"],
  ...["settings", "settings_refused"],
]);

/**
 * A text message of the server, or null if it is none that this page knows: a newer server may say more.
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

/** @type {Record<string, string>} */
const REASONS = {
  replaced: "a newer picture came first",
  unwatched: "nobody was watching",
  rate: "came faster than the server takes them",
  loading: "the model was loading",
  failed: "the model failed on them",
  closed: "the connection ended",
};

/** Why pictures were dropped. @param {string} reason */
export function reasonInWords(reason) {
  return REASONS[reason] ?? reason.replaceAll("_", " ");
}

/** What the server asks of a camera, and why. @param {Knobs} knobs @param {string} reason */
export function askedInWords({ fps, quality, width }, reason) {
  const most = `Up to ${Math.round(fps)} pictures a second, ${width} wide, quality ${Math.round(quality * 100)} %.`;
  return reason ? `${most} Why: ${reason}.` : most;
}

/**
 * What a person meets when the server refuses. Without `retry` the page does not try again by itself; with `detail`
 * the server's own sentence tells more.
 *
 * @typedef {{title: string, text: string, retry: boolean, detail?: boolean, actions?: import("../elements/state-banner.js").Action[]}} Refusal
 * @type {Record<string, Refusal>}
 */
const REFUSALS = {
  stream_busy: {
    title: "This name is taken",
    text: "Another camera is sending under it. Stop that one, or choose another name.",
    retry: true,
  },
  limit_reached: { title: "The server is full", text: "Someone has to leave first.", retry: true, detail: true },
  idle_timeout: { title: "The server heard nothing for a while", text: "It closed the connection.", retry: true },
  shutting_down: { title: "The server is stopping", text: "This page goes on when it is back.", retry: true },
  model_failed: {
    title: "The model doesn't work",
    text: "The cause is in the server's log. It can be started with another model.",
    retry: true,
    detail: true,
  },
  unauthorized: {
    title: "You are not signed in",
    text: "Scan a new code, or sign in with a token. An admin of this server makes codes on the start page.",
    retry: false,
    detail: true,
    actions: [{ text: "Sign in", id: "sign-in", main: true, href: "/join" }],
  },
  forbidden: {
    title: "The server doesn't allow that",
    text: "You signed in for something else, or this page's address is not the one that the server printed.",
    retry: false,
    detail: true,
  },
  bad_request: {
    title: "This name can't be used",
    text: "A name has 1 to 64 letters, digits, “-” or “_”. Choose another one on the start page.",
    retry: false,
  },
  no_webrtc: {
    title: "WebRTC does not connect",
    text: "This page's address allows nothing else. Without “?transport=webrtc” the page takes what works.",
    retry: true,
    detail: true,
  },
  too_large: {
    title: "The picture is too large for the server",
    text: "Choose a smaller picture size, then start again.",
    retry: false,
    detail: true,
  },
};

/** @param {string} code @param {string} message the server's own sentence @returns {Refusal} */
export function refusal(code, message) {
  return REFUSALS[code] ?? { title: "The server refused", text: message, retry: true };
}

/**
 * What is in a picture, one entry a class, most frequent (or largest) first.
 *
 * @param {Findings} findings
 * @returns {{class_id: number, name: string, count: number, share: number}[]} `share` is 0 for detections
 */
export function summary(findings) {
  if (findings.segments) {
    return findings.segments
      .filter((s) => !isBackground(s))
      .map((s) => ({ class_id: s.class_id, name: s.class_name, count: 0, share: s.share }));
  }
  /** @type {Map<number, {class_id: number, name: string, count: number, share: number}>} */
  const classes = new Map();
  for (const { class_id, class_name } of findings.detections) {
    const entry = classes.get(class_id);
    if (entry) entry.count += 1;
    else classes.set(class_id, { class_id, name: class_name, count: 1, share: 0 });
  }
  return [...classes.values()].sort((a, b) => b.count - a.count || a.class_id - b.class_id);
}

/**
 * The class that stands for "nothing", as the server's renderer has it.
 *
 * @param {{class_id: number, class_name: string}} segment
 */
export function isBackground(segment) {
  return segment.class_id === 0 && segment.class_name === "background";
}

/** @param {string} name */
export function isStreamName(name) {
  return /^[A-Za-z0-9_-]{1,64}$/.test(name);
}

/** The stream that a page's path names. @param {string} path such as /camera/webcam */
export function streamOf(path) {
  return decodeURIComponent(path.split("/")[2] ?? "");
}

/**
 * A name that no stream has yet: webcam, webcam-2, webcam-3 ...
 *
 * @param {Iterable<string>} taken
 */
export function freeName(taken, base = "webcam") {
  const names = new Set(taken);
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!names.has(name)) return name;
  }
}
