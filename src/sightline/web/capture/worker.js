/**
 * Takes pictures and encodes them as JPEG, so that the page never waits for either.
 *
 * @typedef {import("../lib/encoder.js").Limits} Limits
 * @typedef {{type: "track", frames: ReadableStream<VideoFrame>}
 *   | {type: "reset", credits: number, maxFps: number, limits: Limits}
 *   | {type: "limits", maxFps: number, limits: Limits}
 *   | {type: "close"}
 *   | {type: "stop"}
 *   | {type: "grant"}
 *   | {type: "picture", bitmap: ImageBitmap, timestamp: number}} ToWorker `picture` comes with its permission
 * @typedef {import("../lib/encoder.js").Encoded & {type: "frame", timestamp: number}} FrameTaken
 * @typedef {FrameTaken | {type: "skipped"} | {type: "failed", message: string}} FromWorker
 */

import { wallClock } from "../lib/clock.js";
import { Encoder } from "../lib/encoder.js";
import { SendGate } from "./send-gate.js";

const LAST_MS = 2_000;

const worker = /** @type {{postMessage: (message: FromWorker, transfer?: Transferable[]) => void,
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null, close: () => void}} */ (/** @type {unknown} */ (self));
const gate = new SendGate();
const encoder = new Encoder();
/** @type {Limits} */
let limits = { maxSide: 640, maxPixels: Infinity, quality: 0.8 };
let reading = false;

worker.onmessage = ({ data }) => {
  if (data.type === "track") void readTrack(data.frames);
  else if (data.type === "picture") void encode(data.bitmap, data.timestamp);
  else if (data.type === "grant") gate.grant();
  else if (data.type === "close") gate.close();
  else if (data.type === "stop") stop();
  else {
    limits = data.limits;
    if (data.type === "reset") gate.reset(data.credits, data.maxFps);
    else gate.pace(data.maxFps);
  }
};

/** @param {ReadableStream<VideoFrame>} frames of which the browser keeps only the newest unread one */
async function readTrack(frames) {
  const reader = frames.getReader();
  reading = true;
  for (;;) {
    const { value: frame, done } = await reader.read();
    if (done) break;
    const answer = gate.ask(performance.now());
    if (answer === "go") void encode(frame, wallClock());
    else frame.close();
    if (answer === "skip") worker.postMessage({ type: "skipped" });
  }
  worker.close();
}

/** Wait for the page to stop the track. Until then the frames that the stream still holds are read and closed. */
function stop() {
  gate.close();
  setTimeout(() => worker.close(), reading ? LAST_MS : 0);
}

/** @param {VideoFrame | ImageBitmap} source */
function draw(source) {
  try {
    return encoder.encode(source, limits);
  } finally {
    source.close(); // already drawn; a camera has only a few buffers
  }
}

/** @param {VideoFrame | ImageBitmap} source @param {number} timestamp */
async function encode(source, timestamp) {
  try {
    const taken = await draw(source);
    worker.postMessage({ type: "frame", timestamp, ...taken }, [taken.jpeg, taken.bitmap]);
  } catch (error) {
    gate.grant();
    worker.postMessage({ type: "failed", message: String(error) });
  }
}
