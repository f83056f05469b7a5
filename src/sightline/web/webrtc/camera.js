/** A camera's link over WebRTC. It keeps the pictures of the last second, and finds a result's picture by its time. */

import { t } from "../lib/i18n.js";
import { keepInTab, keptOverReload } from "../lib/storage.js";
import { timesOf, wallTime } from "./connection.js";
import { Link } from "./link.js";

const KEPT = 24;
const NEAR_MS = 8; // in Chromium 156 the two times of a picture differ by at most 1
const BLIND = 5; // pictures without a time
const CHECK_MS = 2_000;
const UNANSWERED_MS = 6_000;
const UNMATCHED = 3; // checks in a row in which most results found no picture
/** Id of this page, also after a reload. Its next connection takes over from one that the server still believes alive. */
const SESSION = keptOverReload("session") || anyId();
keepInTab("session", SESSION);

function anyId() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(36)).join("");
}

/**
 * @typedef {{bitmap: ImageBitmap, timestamp: number}} Shot `timestamp`: milliseconds since 1970 on this clock
 * @typedef {{fps: number, width: number}} Knobs
 */

/**
 * A camera's link. Over WebRTC it sends the track itself, and gives each result its picture.
 */
export class CameraLink extends Link {
  #camera;
  #shots = new Shots();
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {Knobs} */
  #knobs = { fps: 30, width: 640 };
  #kbps = 0;
  #answeredAt = 0;
  /** Results with and without a picture since the last check. */
  #found = { picture: 0, none: 0 };
  #unmatched = 0;
  /** The newest result, while it waits for its picture and its mask. @type {{mask: ArrayBuffer | null} | null} */
  #early = null;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {string} stream
   * @param {import("../wire/socket.js").Handlers & {ontransport?: import("./link.js").OnTransport}} handlers
   * @param {() => {track: MediaStreamTrack | null, video: HTMLVideoElement}} camera what is to be sent
   */
  constructor(stream, handlers, camera) {
    super(
      { socket: `/ws/camera/${stream}?session=${SESSION}`, webrtc: `/whip/${stream}?session=${SESSION}` },
      {
        ...handlers,
        onmessage: (message) => {
          this.#answeredAt = performance.now();
          if (message.type === "hello" || message.type === "adapt") this.#obey(message);
          if (this.video && message.type === "result") this.#hold(message, handlers);
          else handlers.onmessage(message);
        },
        onbinary: (data) => {
          if (this.video && this.#early) this.#early.mask = data;
          else handlers.onbinary?.(data);
        },
        onclock: (clock) => clock.offset !== null && this.send({ type: "clock", offset: clock.offset }),
        prepare: (peer, terms) => this.#prepare(peer, terms.receive_kbps),
        onvideo: () => this.#begin(),
        onend: () => this.#end(),
      },
    );
    this.#camera = camera;
  }

  open() {
    if (this.video) this.#renew();
    else super.open();
  }

  /**
   * The picture of a result; undefined over a WebSocket, where the publisher has it.
   *
   * @param {import("../wire/messages.js").ResultMessage} result
   */
  taken(result) {
    if (!this.video) return undefined;
    const shot = this.#shots.take(result.timestamp);
    this.#found[shot ? "picture" : "none"] += 1;
    return shot;
  }

  /**
   * Keep a result, and its mask, until the video shows its picture: a fast model answers before that.
   *
   * @param {import("../wire/messages.js").ResultMessage} result @param {import("../wire/socket.js").Handlers} handlers
   */
  #hold(result, handlers) {
    const early = { mask: /** @type {ArrayBuffer | null} */ (null) };
    this.#early = result.mask_bytes === undefined ? null : early;
    this.#shots.when(result.timestamp, () => {
      if (this.#early === early) this.#early = null;
      handlers.onmessage(result);
      if (early.mask) handlers.onbinary?.(early.mask);
    });
  }

  /** @param {RTCPeerConnection} peer @param {number} kbps */
  #prepare(peer, kbps) {
    const { track } = this.#camera();
    if (!track) throw new Error("no camera is open");
    this.#kbps = kbps;
    track.contentHint = "motion";
    this.#sender = peer.addTransceiver(track, { direction: "sendonly" }).sender;
  }

  #begin() {
    this.#watch();
    this.#answeredAt = performance.now();
    this.#found = { picture: 0, none: 0 };
    this.#unmatched = 0;
    this.#timer = setInterval(() => this.#check(), CHECK_MS);
  }

  #end() {
    clearInterval(this.#timer);
    this.#shots.stop();
    this.#sender = null;
  }

  #watch() {
    const why = t`this browser doesn't tell when a picture was taken`;
    this.#shots.watch(this.#camera().video, () => this.giveUp(why, true));
  }

  /** Send another camera of this machine. */
  #renew() {
    void this.#sender?.replaceTrack(this.#camera().track).catch(() => {});
    this.#watch();
  }

  /** @param {Knobs} knobs */
  #obey({ fps, width }) {
    this.#knobs = { fps, width };
    if (this.#sender) void obey(this.#sender, this.#knobs, this.#kbps);
  }

  #check() {
    const { picture, none } = this.#found;
    this.#found = { picture: 0, none: 0 };
    if (document.hidden || this.#camera().track?.muted) this.#answeredAt = performance.now();
    if (document.hidden) return; // no video is shown there, so no result finds its picture
    if (none > picture) this.#unmatched += 1;
    else if (picture) this.#unmatched = 0;
    if (performance.now() - this.#answeredAt > UNANSWERED_MS) this.giveUp(t`no pictures get through`);
    else if (this.#unmatched === UNMATCHED) this.giveUp(t`results come without their pictures`);
  }
}

/** The pictures of the last second. */
export class Shots {
  /** @type {Shot[]} */
  #shots = [];
  /** @type {{time: number, go: () => void}[]} */
  #waiting = [];
  #newest = 0;
  #run = 0;

  /**
   * Keep the pictures that the video shows.
   *
   * @param {HTMLVideoElement} video @param {() => void} blind called where the browser does not tell capture times
   */
  watch(video, blind) {
    this.stop();
    const run = this.#run;
    let unknown = 0;
    /** @param {number} _ @param {VideoFrameCallbackMetadata} frame */
    const shown = async (_, frame) => {
      if (run !== this.#run) return;
      video.requestVideoFrameCallback(shown);
      const { captureTime } = timesOf(video, frame);
      if (captureTime === undefined) {
        unknown += 1;
        if (unknown === BLIND) blind();
        return;
      }
      const timestamp = wallTime(captureTime);
      const bitmap = await createImageBitmap(video).catch(() => null);
      if (!bitmap) return;
      if (run === this.#run) this.#keep({ bitmap, timestamp });
      else bitmap.close();
    };
    video.requestVideoFrameCallback(shown);
  }

  /** Forget all pictures, and all that wait for one. */
  stop() {
    this.#run += 1;
    for (const { bitmap } of this.#shots) bitmap.close();
    this.#shots = [];
    this.#waiting = [];
  }

  /**
   * Call back as soon as the picture of a time, or a later one, was shown.
   *
   * @param {number} time @param {() => void} go
   */
  when(time, go) {
    this.#waiting.push({ time, go });
    if (this.#waiting.length > KEPT) this.#waiting.shift()?.go();
    this.#serve();
  }

  /** Hand over the picture that was taken at a time. Older ones are forgotten. @param {number} time */
  take(time) {
    const near = nearest(this.#shots.map((s) => s.timestamp), time);
    if (near < 0) return undefined;
    const [taken, ...older] = this.#shots.splice(0, near + 1).reverse();
    for (const { bitmap } of older) bitmap.close();
    return taken;
  }

  /** @param {Shot} shot */
  #keep(shot) {
    this.#shots.push(shot);
    this.#newest = shot.timestamp;
    while (this.#shots.length > KEPT) this.#shots.shift()?.bitmap.close();
    this.#serve();
  }

  #serve() {
    const newest = this.#newest + NEAR_MS;
    while (this.#waiting[0] && this.#waiting[0].time < newest) this.#waiting.shift()?.go();
  }
}

/** Index of the nearest time; -1 if none is near. @param {number[]} times @param {number} wanted */
export function nearest(times, wanted) {
  let best = -1;
  let distance = NEAR_MS;
  times.forEach((time, index) => {
    const away = Math.abs(time - wanted);
    if (away < distance) [best, distance] = [index, away];
  });
  return best;
}

/**
 * Send video as the server asks for it.
 *
 * @param {RTCRtpSender} sender @param {Knobs} knobs @param {number} kbps at most
 */
export async function obey(sender, { fps, width }, kbps) {
  const parameters = sender.getParameters();
  const [encoding] = parameters.encodings;
  if (!encoding) return;
  const { width: w = width, height: h = 0 } = sender.track?.getSettings() ?? {};
  encoding.maxBitrate = kbps * 1000;
  encoding.maxFramerate = fps;
  encoding.scaleResolutionDownBy = Math.max(1, Math.max(w, h) / width);
  await sender.setParameters(parameters).catch(() => {}); // the connection has just ended
}
