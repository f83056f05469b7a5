/** The page's side of in-browser inference. It hands the newest picture to the worker whenever that is free. */

import { wallClock } from "../lib/clock.js";
import { t } from "../lib/i18n.js";
import { nextFrame } from "../lib/video-frames.js";

const LOAD_MS = 90_000;
const HANG_MS = 5_000;
const CHECK_MS = 500;

/**
 * @typedef {import("./worker.js").Inferred} Inferred
 * @typedef {{
 *   onready: (device: import("./runtime.js").Device) => void,
 *   onfound: (found: Inferred) => void,
 *   onskip: () => void,
 *   onfailure: (why: string) => void,
 *   maySend: () => boolean,
 * }} Events `onfailure`: the worker is gone; `maySend`: whether the picture taken now may go to the server
 */

export class Inference {
  #events;
  /** @type {Worker | null} */
  #worker = null;
  #busySince = 0;
  #patience = LOAD_MS;
  #ready = false;
  #interval = 0;
  #next = 0;
  #run = 0;
  /** @type {import("../lib/encoder.js").Limits} */
  #limits = { maxSide: 640, maxPixels: Infinity, quality: 0.8 };
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watchdog;

  /** @param {Events} events */
  constructor(events) {
    this.#events = events;
  }

  get ready() {
    return this.#ready;
  }

  /**
   * Start a worker with this model. `onready` or `onfailure` follows.
   *
   * @param {import("./input.js").PortableModel} model
   */
  load(model) {
    this.stop();
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.#worker = worker;
    worker.onmessage = ({ data }) => this.#said(data);
    worker.onerror = (event) => this.#fail(event.message || t`its worker could not start`);
    this.#busy(LOAD_MS);
    this.#watchdog = setInterval(() => this.#check(), CHECK_MS);
    worker.postMessage({ type: "load", model, backend: "auto" });
  }

  /** End the worker. */
  stop() {
    this.pause();
    clearInterval(this.#watchdog);
    if (this.#worker) this.#worker.onmessage = this.#worker.onerror = null;
    this.#worker?.terminate();
    this.#worker = null;
    this.#ready = false;
    this.#busySince = 0;
  }

  /** Offer every picture that the video shows. @param {HTMLVideoElement} video */
  watch(video) {
    this.#run += 1;
    const run = this.#run;
    const look = () => {
      if (run !== this.#run) return;
      void this.#offer(video, run);
      nextFrame(video, look);
    };
    look();
  }

  /** Take no more pictures until the next `watch`. */
  pause() {
    this.#run += 1;
  }

  /** Change the limits. @param {number} maxFps @param {import("../lib/encoder.js").Limits} limits */
  limit(maxFps, limits) {
    this.#interval = 1000 / maxFps;
    this.#limits = limits;
  }

  /** @param {HTMLVideoElement} video @param {number} run */
  async #offer(video, run) {
    const now = performance.now();
    if (!this.#ready || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || now < this.#next - 1) return;
    if (this.#busySince) {
      this.#events.onskip(); // the newest picture is taken when the worker is free again
      return;
    }
    this.#next = Math.max(this.#next, now - this.#interval) + this.#interval;
    this.#busy(HANG_MS);
    const timestamp = wallClock();
    try {
      const bitmap = await createImageBitmap(video);
      if (run !== this.#run || !this.#worker) {
        bitmap.close();
        this.#busySince = 0;
        return;
      }
      const send = this.#events.maySend();
      this.#worker.postMessage({ type: "picture", bitmap, timestamp, limits: this.#limits, send }, [bitmap]);
    } catch {
      this.#busySince = 0; // the video has no picture at this moment
    }
  }

  /** @param {import("./worker.js").FromInference} message */
  #said(message) {
    this.#busySince = 0;
    if (message.type === "failed") {
      this.#fail(message.message);
    } else if (message.type === "ready") {
      this.#ready = true;
      this.#events.onready(message.device);
    } else {
      this.#events.onfound(message);
    }
  }

  /** @param {number} patience milliseconds */
  #busy(patience) {
    this.#busySince = performance.now();
    this.#patience = patience;
  }

  #check() {
    if (document.hidden) this.#busySince &&= performance.now(); // browsers slow hidden pages down
    if (this.#busySince && performance.now() - this.#busySince > this.#patience)
      this.#fail(t`it doesn't answer any more`);
  }

  /** @param {string} why */
  #fail(why) {
    this.stop();
    this.#events.onfailure(why);
  }
}
