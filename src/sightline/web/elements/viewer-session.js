/**
 * One viewer's connection to one stream. It receives pictures, reports to the server, rests while nobody sees the page,
 * and knows its own status. It draws nothing.
 */

import { wallClock } from "../lib/clock.js";
import { LiveFigures } from "../lib/live-figures.js";
import { ViewLink } from "../webrtc/viewer.js";
import { Receiver } from "../wire/receiver.js";
import { atRest, stateOf } from "./viewer-status.js";

const TICK_MS = 250;
const STATS_MS = 2_000;
const CLOSE_WHEN_HIDDEN_MS = 10_000;

/**
 * @typedef {import("../wire/messages.js").ViewerFrame} ViewerFrame
 * @typedef {{meta: ViewerFrame, picture: import("../wire/findings.js").Picture, at: number, latency: number}} Frame
 *   `meta` is the server's message; `picture` is good until the call is over; `at` is the time of drawing, on the clock of `performance.now()`; `latency` is milliseconds from the camera to here,
 *   NaN until the clocks are compared
 * @typedef {import("./viewer-status.js").Situation & {state: import("./viewer-status.js").State}} Status
 * @typedef {{
 *   draw: import("../webrtc/viewer.js").Show,
 *   onconnect: () => void,
 *   onframe: (frame: Frame) => void,
 *   onstill: (message: import("../wire/messages.js").StillMessage, shown: {at: number, latency: number}) => void,
 *   onstatus: (status: Status) => void,
 *   ontransport: import("../webrtc/link.js").OnTransport,
 *   ondisconnect: (reason: string) => void,
 * }} Events `draw` owns the picture from then on; the others are those of `SightlineViewer`
 */

export class ViewerSession {
  /** Pictures per second, latency and inference time, smoothed. */
  figures = new LiveFigures();
  #events;
  #link;
  #receiver;
  #now = atRest();
  #told = "";
  #lastPictureAt = performance.now();
  #ended = new AbortController();

  /**
   * @param {string} stream @param {Events} events
   * @param {ParentNode} stage where a video may play out of sight
   * @param {ConstructorParameters<typeof ViewLink>[3]} to the server, and which transport is taken
   */
  constructor(stream, events, stage, to) {
    this.#events = events;
    this.#receiver = new Receiver({
      onpicture: (meta, picture) => this.#show(meta, picture),
      onbroken: (meta) => this.#acknowledge(meta),
    });
    const handlers = {
      onphase: this.#phase.bind(this),
      onmessage: this.#message.bind(this),
      onbinary: (/** @type {ArrayBuffer} */ data) => this.#receiver.receive(data),
      onpicture: this.#show.bind(this),
      ontransport: events.ontransport,
    };
    this.#link = new ViewLink(stream, handlers, stage, to);
  }

  /** The present status. @returns {Status} */
  get status() {
    this.#now.quiet = performance.now() - this.#lastPictureAt;
    return { ...this.#now, state: stateOf(this.#now) };
  }

  /** Number of pictures that were received, but passed over for a newer one. */
  get skipped() {
    return this.#receiver.skipped;
  }

  /** Number of the video's pictures that no result came for. */
  get unmatched() {
    return this.#link.skipped;
  }

  /** Connect, and stay connected until `end`. */
  begin() {
    const { signal } = this.#ended;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let hidden;
    const seen = () => {
      clearTimeout(hidden);
      this.#receiver.pause(unseen());
      if (unseen()) hidden = setTimeout(() => this.#pause(), CLOSE_WHEN_HIDDEN_MS);
      else if (this.#now.paused) this.#goOn();
    };
    document.addEventListener("visibilitychange", seen, { signal });
    document.addEventListener("leavepictureinpicture", seen, { signal });
    addEventListener("online", () => this.retryNow(), { signal });
    addEventListener("pagehide", () => this.#link.close(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#link.open(), { signal });
    const ticking = setInterval(() => this.#look(), TICK_MS);
    const telling = setInterval(() => this.#tellServer(), STATS_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(hidden);
      clearInterval(ticking);
      clearInterval(telling);
    });
    this.#link.open();
    this.#receiver.pause(unseen());
  }

  /** Let go of everything, for good. @param {string} reason see `SightlineViewer.ondisconnect` */
  end(reason) {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    const connected = this.#now.phase === "open";
    this.#receiver.reset();
    this.#link.dispose();
    if (connected) this.#events.ondisconnect(reason);
  }

  /** Connect now instead of waiting for the next try. */
  retryNow() {
    this.#link.retryNow();
  }

  #pause() {
    this.#now.paused = true;
    this.#link.close();
  }

  #goOn() {
    this.#now.paused = false;
    this.#link.open();
  }

  /** @type {import("../wire/socket.js").Handlers["onphase"]} */
  #phase(phase, retryAt) {
    if (this.#ended.signal.aborted) return;
    const before = this.#now.phase;
    const { refused } = this.#link;
    Object.assign(this.#now, { phase, retryAt, refused });
    if (phase !== "open") {
      this.#receiver.reset();
      this.#now.camera = "unknown";
      this.figures.clear();
    }
    if (phase === "open") this.#events.onconnect();
    else if (before === "open") this.#events.ondisconnect(this.#now.paused ? "hidden" : (refused?.code ?? "lost"));
    this.#tell();
  }

  /** @type {import("../wire/socket.js").Handlers["onmessage"]} */
  #message(message) {
    if (message.type === "frame_metadata") {
      this.#cameraIs("live");
      this.#receiver.announce(message);
    } else if (message.type === "still") {
      this.#cameraIs("live");
      this.#events.onstill(message, this.#upToDate(message));
      this.#look();
    } else if (message.type === "status") {
      this.#link.healthy();
      this.#now.hadServer = true;
      const { state, reason = "" } = message;
      if (state !== "loading" && state !== "ready" && state !== "failed") this.#now.reason = reason;
      if (state === "waiting" || state === "live" || state === "ended") this.#cameraIs(state);
      else this.#now.model = { state, message: message.message };
      this.#tell();
    }
  }

  /** @type {import("../webrtc/viewer.js").Show} */
  #show(meta, picture) {
    if (this.#ended.signal.aborted) {
      picture.image.close();
      return;
    }
    this.#events.draw(meta, picture);
    this.#acknowledge(meta);
    if (this.#now.camera !== "live") return; // its last picture, drawn after it left
    const first = !this.#now.hadPicture;
    this.#now.hadPicture = true;
    const { at, latency } = this.#upToDate(meta);
    this.figures.inferred(meta.stages["infer"] ?? meta.processing_time_ms, at);
    this.#events.onframe({ meta, picture, at, latency });
    if (first) this.#tell();
    else this.#look();
  }

  /** @param {ViewerFrame} meta */
  #acknowledge(meta) {
    this.#link.send({ type: "ack", frameNumber: meta.frameNumber });
  }

  /** Note that the shown picture is up to date with this frame. @param {{captured_at: number}} meta */
  #upToDate({ captured_at }) {
    const at = performance.now();
    const { offset } = this.#link.clock;
    const latency = offset === null ? NaN : Math.max(0, wallClock() + offset - captured_at);
    this.#lastPictureAt = at;
    this.figures.shown(at, latency);
    return { at, latency };
  }

  /** @param {"waiting" | "live" | "ended"} camera */
  #cameraIs(camera) {
    if (this.#now.camera === camera) return;
    this.#now.camera = camera;
    if (camera === "live") this.#lastPictureAt = performance.now();
    else this.figures.clear();
  }

  /** Report the status, if its state has changed. */
  #look() {
    if (this.status.state !== this.#told) this.#tell();
  }

  #tell() {
    const { status } = this;
    this.#told = status.state;
    this.#events.onstatus(status);
  }

  #tellServer() {
    const { phase, camera } = this.#now;
    const { fps, latency } = this.figures;
    if (phase !== "open" || camera !== "live" || unseen() || !Number.isFinite(latency)) return;
    this.#link.send({ type: "performance_stats", fps, latency, queueSize: this.#receiver.waiting });
  }
}

/** Whether nobody sees the page, nor its picture in a small window over others. */
function unseen() {
  return document.hidden && !document.pictureInPictureElement;
}
