/**
 * Takes pictures of a camera's track, in the best of three ways that the browser offers:
 * "track": a worker reads the track itself.
 * "video": the page hands the worker bitmaps of the video element.
 * "page": all is done here, as workers have no canvas.
 */

import { wallClock } from "../lib/clock.js";
import { Encoder } from "../lib/encoder.js";
import { nextFrame } from "../lib/video-frames.js";
import { SendGate } from "./send-gate.js";

/**
 * @typedef {import("../lib/encoder.js").Limits} Limits
 * @typedef {import("./worker.js").FrameTaken} FrameTaken
 * @typedef {{
 *   onframe: (frame: FrameTaken) => void,
 *   onskip: () => void,
 * }} Events
 * @typedef {new (init: {track: MediaStreamTrack}) => {readable: ReadableStream<VideoFrame>}} TrackProcessor
 */

export class Capture {
  /** @type {"track" | "video" | "page" | ""} */
  way = "";
  #events;
  #gate = new SendGate();
  /** @type {Worker | null} */
  #worker = null;
  /** @type {Encoder | null} */
  #encoder = null;
  /** @type {Limits} */
  #limits = { maxSide: 640, maxPixels: Infinity, quality: 0.8 };
  #run = 0;

  /** @param {Events} events */
  constructor(events) {
    this.#events = events;
  }

  /** @param {HTMLVideoElement} video that plays the track @param {MediaStreamTrack} track */
  start(video, track) {
    this.stop();
    const Processor = /** @type {{MediaStreamTrackProcessor?: TrackProcessor}} */ (globalThis).MediaStreamTrackProcessor;
    if (typeof OffscreenCanvas === "undefined") {
      this.way = "page";
      this.#encoder ??= new Encoder();
    } else {
      this.way = Processor ? "track" : "video";
      this.#worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
      this.#worker.onmessage = ({ data }) => this.#fromWorker(data);
    }
    if (Processor && this.way === "track") {
      const frames = new Processor({ track }).readable;
      this.#tell({ type: "track", frames }, [/** @type {Transferable} */ (/** @type {unknown} */ (frames))]);
    } else {
      this.#watch(video, this.#run);
    }
  }

  /** Take no more pictures, and forget those being encoded. The caller stops the track. */
  stop() {
    this.#run += 1;
    this.#tell({ type: "stop" }); // not terminate(): the worker must give back the camera's frames that it holds
    if (this.#worker) this.#worker.onmessage = null;
    this.#worker = null;
    this.#gate.close();
    this.way = "";
  }

  /** Begin with a new connection. @param {number} credits @param {number} maxFps @param {Limits} limits */
  reset(credits, maxFps, limits) {
    this.#limits = limits;
    this.#gate.reset(credits, maxFps);
    this.#tell({ type: "reset", credits, maxFps, limits });
  }

  /** Change the limits. @param {number} maxFps @param {Limits} limits */
  limit(maxFps, limits) {
    this.#limits = limits;
    this.#gate.pace(maxFps);
    this.#tell({ type: "limits", maxFps, limits });
  }

  /** Take nothing until the next `reset`: the connection is gone, or nobody looks. */
  close() {
    this.#gate.close();
    this.#tell({ type: "close" });
  }

  /** Let one more picture go out: one had its answer. */
  grant() {
    this.#gate.grant();
    if (this.way === "track") this.#tell({ type: "grant" });
  }

  /** @param {import("./worker.js").ToWorker} message @param {Transferable[]} [transfer] */
  #tell(message, transfer = []) {
    this.#worker?.postMessage(message, transfer);
  }

  /** @param {import("./worker.js").FromWorker} message */
  #fromWorker(message) {
    if (message.type === "frame") this.#events.onframe(message);
    else if (message.type === "skipped") this.#events.onskip();
    else if (message.type === "failed") this.#failed(message.message);
  }

  /** @param {string} message */
  #failed(message) {
    this.#gate.grant();
    console.warn("a picture could not be encoded:", message);
  }

  /** Offer every picture that the video shows. @param {HTMLVideoElement} video @param {number} run */
  #watch(video, run) {
    if (run !== this.#run) return;
    if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA) void this.#offer(video, run);
    nextFrame(video, () => this.#watch(video, run));
  }

  /** @param {HTMLVideoElement} video @param {number} run */
  async #offer(video, run) {
    const answer = this.#gate.ask(performance.now());
    if (answer === "skip") this.#events.onskip();
    if (answer !== "go") return;
    const timestamp = wallClock();
    try {
      if (this.#encoder) {
        const taken = await this.#encoder.encode(video, this.#limits);
        if (run === this.#run) this.#events.onframe({ type: "frame", timestamp, ...taken });
      } else {
        const bitmap = await createImageBitmap(video);
        if (run === this.#run) this.#tell({ type: "picture", bitmap, timestamp }, [bitmap]);
      }
    } catch (error) {
      if (run === this.#run) this.#failed(String(error));
    }
  }
}
