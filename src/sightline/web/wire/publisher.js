/** A camera's side of the wire. It sends pictures, matches answers to them, and counts what became of each. */

import { readMask } from "./mask.js";
import { LiveSocket } from "./socket.js";

const NO_ANSWER_MS = 5_000;
const CHECK_MS = 1_000;

/**
 * @typedef {{jpeg: ArrayBuffer, bitmap: ImageBitmap, width: number, height: number, timestamp: number}} Taken a picture
 *   of the camera's, and when it was taken: milliseconds since 1970 on this clock
 * @typedef {{jpeg: ArrayBuffer | null, png: ArrayBuffer | null, width: number, height: number, timestamp: number,
 *   findings: import("./findings.js").Findings, stages: Record<string, number>, processing_time_ms: number}} Inferred
 *   a picture with what this page found in it; `png` is its mask
 * @typedef {import("./messages.js").ResultMessage} ResultMessage
 * @typedef {import("./findings.js").Picture} Picture
 * @typedef {{bitmap: ImageBitmap | null, sentAt: number, timestamp: number}} Pending `bitmap` is null where this page
 *   has inferred the picture, and shown it
 * @typedef {{
 *   onphase: (phase: import("./socket.js").Phase, retryAt: number) => void,
 *   onhello: (hello: import("./messages.js").HelloMessage) => void,
 *   onadapt: (adapt: import("./messages.js").AdaptMessage) => void,
 *   onstatus: (state: string, message: string) => void,
 *   onanswer: () => void,
 *   onresult: (picture: Picture, result: ResultMessage, timestamp: number) => void,
 *   ontoolarge: () => void,
 * }} Events `onanswer`: a picture was answered, so another may go; `timestamp` is when it was taken
 */

export class Publisher {
  counts = freshCounts();
  /** @type {import("./messages.js").HelloMessage | null} */
  hello = null;
  #events;
  #socket;
  /** @type {Map<number, Pending>} */
  #pending = new Map();
  #frameNumber = 0;
  #shown = 0;
  #modelLoads = false;
  /** @type {{result: ResultMessage, pending: Pending} | null} */
  #awaitingMask = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watchdog;

  /**
   * @param {string} stream @param {Events} events
   * @param {(handlers: import("./socket.js").Handlers) => import("./socket.js").Connection} connect
   */
  constructor(stream, events, connect = (handlers) => new LiveSocket(`/ws/camera/${stream}`, handlers)) {
    this.#events = events;
    this.#socket = connect({
      onphase: (phase, retryAt) => this.#onphase(phase, retryAt),
      onmessage: (message) => this.#onmessage(message),
      onbinary: (data) => this.#onmask(data),
    });
  }

  get phase() {
    return this.#socket.phase;
  }

  /** The server's refusal of the last try, or null. */
  get refused() {
    return this.#socket.refused;
  }

  /** True while pictures go out as video, without being sent one by one. */
  get video() {
    return this.#socket.video ?? false;
  }

  /** Send pictures one by one over a WebSocket from now on. @param {string} why */
  useSocket(why) {
    this.#socket.useSocket?.(why);
  }

  /** Allow video again. */
  useAny() {
    this.#socket.useAny?.();
  }

  /** Number of pictures that may go out now. */
  get free() {
    if (this.video) return 0;
    return Math.max(0, (this.hello?.max_pending ?? 0) - this.#pending.size);
  }

  clearCounts() {
    this.counts = freshCounts();
  }

  start() {
    this.#socket.open();
    clearInterval(this.#watchdog);
    this.#watchdog = setInterval(() => this.#check(), CHECK_MS);
  }

  stop() {
    clearInterval(this.#watchdog);
    this.#socket.close();
  }

  retryNow() {
    this.#socket.retryNow();
  }

  /** Tell the server that this page sends nothing in the background, or that it came back. @param {boolean} on */
  background(on) {
    this.#socket.send({ type: "background", on });
  }

  /** Give up the connection: the network is gone or another one, so nothing will come over it. */
  lost() {
    this.#socket.drop();
    if (navigator.onLine) this.#socket.retryNow();
  }

  /** Send a picture. The publisher owns it from then on. @param {Taken} frame */
  send(frame) {
    const { bitmap, timestamp, width, height } = frame;
    if (this.phase !== "open" || !this.hello || this.#pending.size >= this.hello.max_pending) {
      this.counts.skipped += 1; // taken just before the connection changed
      bitmap.close();
      return;
    }
    if (frame.jpeg.byteLength > this.hello.max_message_bytes) {
      this.counts.skipped += 1;
      bitmap.close();
      this.#events.ontoolarge();
      this.#events.onanswer();
      return;
    }
    this.#announce(bitmap, timestamp, width, height);
    this.#socket.sendBinary(frame.jpeg);
  }

  /**
   * True if a picture that this page has inferred may go out now. It must not overtake one that the server works on.
   */
  get mayInferred() {
    return this.phase === "open" && this.free > 0 && [...this.#pending.values()].every(({ bitmap }) => !bitmap);
  }

  /**
   * Send a picture with this page's own findings. Returns its number, or 0 if it could not be sent.
   *
   * @param {Inferred} found @param {string} model @param {{backend: string, threads: number}} device
   */
  sendInferred(found, model, device) {
    const { jpeg, png, timestamp, width, height, stages, processing_time_ms, findings } = found;
    if (!jpeg || !this.hello || !this.mayInferred || jpeg.byteLength > this.hello.max_message_bytes) {
      this.counts.skipped += 1;
      return 0;
    }
    const detections = findings.detections.map(({ class_id, confidence, xyxy }) => ({ class_id, confidence, xyxy }));
    const { backend, threads } = device;
    const mask = png ? { mask_bytes: png.byteLength, mask_kind: findings.mask_kind ?? "classes" } : {};
    const results = { model, backend, threads, processing_time_ms, detections, stages, ...mask };
    this.#announce(null, timestamp, width, height, { results });
    this.#socket.sendBinary(png ? joined(jpeg, png) : jpeg);
    return this.#frameNumber;
  }

  /**
   * @param {ImageBitmap | null} bitmap @param {number} timestamp @param {number} width @param {number} height
   * @param {object} [more]
   */
  #announce(bitmap, timestamp, width, height, more = {}) {
    this.#frameNumber += 1;
    const offset = this.#socket.clock.offset;
    this.#pending.set(this.#frameNumber, { bitmap, timestamp, sentAt: performance.now() });
    this.#socket.send({
      type: "frame_metadata",
      timestamp,
      frameNumber: this.#frameNumber,
      width,
      height,
      format: "jpeg",
      ...(offset === null ? {} : { clockOffset: offset }),
      ...more,
    });
    this.counts.sent += 1;
  }

  /** @param {import("./socket.js").Phase} phase @param {number} retryAt */
  #onphase(phase, retryAt) {
    if (phase !== "open") {
      this.hello = null;
      this.#shown = 0; // over WebRTC the server numbers the pictures
      this.#forgetPending();
    }
    this.#events.onphase(phase, retryAt);
  }

  /** @param {import("./messages.js").ServerMessage} message */
  #onmessage(message) {
    if (message.type === "hello") {
      this.hello = message;
      this.#events.onhello(message);
    } else if (message.type === "adapt" && this.hello) {
      this.hello.max_pending = message.max_pending;
      this.#events.onadapt(message);
    } else if (message.type === "status") {
      this.#modelLoads = message.state === "loading";
      this.#events.onstatus(message.state, message.message);
    } else if (message.type === "dropped") {
      this.#ondropped(message.frameNumber, message.reason, message.message);
    } else if (message.type === "result") {
      this.#onresult(message);
    }
  }

  /** @param {number} frameNumber @param {string} reason @param {string | undefined} message */
  #ondropped(frameNumber, reason, message) {
    const pending = this.#settle(frameNumber);
    if (!pending && !this.video) return;
    if (this.video) this.counts.sent += 1;
    pending?.bitmap?.close();
    this.counts.dropped.set(reason, (this.counts.dropped.get(reason) ?? 0) + 1);
    if (reason === "failed" && (this.video || pending?.bitmap)) this.#events.onstatus("failed", message ?? "");
    this.#events.onanswer();
  }

  /** @param {ResultMessage} result */
  #onresult(result) {
    const pending = this.video ? this.#ofVideo(result) : this.#settle(result.frameNumber);
    if (!pending) return;
    this.counts.answered += 1;
    this.#socket.healthy();
    this.#events.onanswer();
    if (result.mask_bytes === undefined) this.#show(result, pending, null);
    else this.#awaitingMask = { result, pending };
  }

  /** Find the picture of the video that a result belongs to. @param {ResultMessage} result @returns {Pending} */
  #ofVideo(result) {
    this.counts.sent += 1;
    const shot = this.#socket.taken?.(result);
    return { bitmap: shot?.bitmap ?? null, timestamp: shot?.timestamp ?? 0, sentAt: 0 };
  }

  /** @param {ArrayBuffer} data */
  async #onmask(data) {
    const awaiting = this.#awaitingMask;
    this.#awaitingMask = null;
    if (!awaiting) return;
    const { result, pending } = awaiting;
    if (!pending.bitmap) return;
    const mask = await readMask(new Uint8Array(data)).catch(() => null);
    this.#show(result, pending, mask);
  }

  /** @param {ResultMessage} result @param {Pending} pending @param {import("./mask.js").Mask | null} mask */
  #show(result, pending, mask) {
    const { bitmap, timestamp } = pending;
    if (!bitmap) return;
    if (result.frameNumber <= this.#shown) {
      bitmap.close(); // its mask took longer than a newer one's
      return;
    }
    this.#shown = result.frameNumber;
    const { width, height } = result;
    this.#events.onresult({ image: bitmap, width, height, findings: result, mask }, result, timestamp);
  }

  /** @param {number} frameNumber */
  #settle(frameNumber) {
    const pending = this.#pending.get(frameNumber);
    this.#pending.delete(frameNumber);
    return pending;
  }

  #forgetPending() {
    for (const { bitmap } of this.#pending.values()) bitmap?.close();
    this.counts.dropped.set("closed", (this.counts.dropped.get("closed") ?? 0) + this.#pending.size);
    if (!this.counts.dropped.get("closed")) this.counts.dropped.delete("closed");
    this.#pending.clear();
    this.#awaitingMask?.pending.bitmap?.close();
    this.#awaitingMask = null;
  }

  /** Drop a connection over which no answer comes. Only a model that is being loaded may take its time. */
  #check() {
    const [oldest] = this.#pending.values();
    if (!this.#modelLoads && oldest && performance.now() - oldest.sentAt > NO_ANSWER_MS) this.#socket.drop();
  }
}

/** @param {ArrayBuffer} first @param {ArrayBuffer} second */
function joined(first, second) {
  const both = new Uint8Array(first.byteLength + second.byteLength);
  both.set(new Uint8Array(first));
  both.set(new Uint8Array(second), first.byteLength);
  return both.buffer;
}

function freshCounts() {
  return { sent: 0, answered: 0, skipped: 0, /** @type {Map<string, number>} */ dropped: new Map() };
}
