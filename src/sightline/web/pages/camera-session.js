/**
 * A camera that publishes. It opens the device, sends its pictures over the transport that works, and knows its own
 * situation. It knows nothing of the page, which hears of changes by callbacks.
 */

import { Asked } from "../capture/asked.js";
import { CameraDevice } from "../capture/camera-device.js";
import { Capture } from "../capture/capture.js";
import * as devices from "../capture/devices.js";
import { resultOf } from "../infer/words.js";
import { wallClock } from "../lib/clock.js";
import { CameraLink } from "../webrtc/camera.js";
import { Publisher } from "../wire/publisher.js";
import { atRest } from "./camera-state.js";
import { IN_BROWSER, ModelPlace } from "./model-place.js";

/**
 * @typedef {import("./camera-state.js").Situation} Situation
 * @typedef {import("../wire/messages.js").Knobs} Knobs
 * @typedef {import("../wire/messages.js").ResultMessage} ResultMessage
 * @typedef {Pick<Capture, "way" | "start" | "stop" | "reset" | "limit" | "close" | "grant">} Taker
 * @typedef {{at: number, latency: number, mode: "server" | "browser"}} Shown time and latency of a result,
 *   in milliseconds, and the place of its model
 * @typedef {{
 *   choice: () => {device: string, width: number},
 *   pauses: () => boolean,
 *   onbegin: () => void,
 *   onchange: () => void,
 *   ontrack: (track: MediaStreamTrack | null) => void,
 *   onawake: (on: boolean) => void,
 *   onopened: () => Promise<void>,
 *   onhello: (hello: import("../wire/messages.js").HelloMessage) => void,
 *   onasked: (asked: Knobs, reason: string) => void,
 *   onbusy: () => void,
 *   onresult: (picture: import("../wire/findings.js").Picture, result: ResultMessage, shown: Shown) => void,
 *   ontransport: import("../webrtc/link.js").OnTransport,
 *   place: Pick<import("./model-place.js").Events, "onsay" | "onnotice" | "onruntime">,
 * }} Events
 *   `choice`: the camera that the person chose, "" for any, and the pixels across that it is opened with;
 *   `pauses`: nothing shall be sent while the page is hidden; `onbegin`: the person started; `onchange`: look at `situation` again; `onawake`: the screen shall stay on, or need not;
 *   `onopened`: a camera was opened, or could not be, or was unplugged; `onasked`: what the server asks for, and why;
 *   `onbusy`: another camera has the stream
 */

export class CameraSession {
  /** Place of the model: the server or this browser. @type {ModelPlace} */
  place;
  /** Sends the pictures, and counts them. @type {Publisher} */
  publisher;
  /** Takes the pictures. @type {Taker} */
  capture;
  #device;
  #asked = new Asked();
  #stream;
  #video;
  #events;
  #now = atRest(devices.isInsecure() ? devices.insecureProblem(location) : null);
  #lastResultAt = 0;

  /**
   * @param {string} stream @param {HTMLVideoElement} video which shows the camera @param {Events} events
   * @param {(events: import("../capture/capture.js").Events) => Taker} capture
   */
  constructor(stream, video, events, capture = (taken) => new Capture(taken)) {
    this.#stream = stream;
    this.#video = video;
    this.#events = events;
    this.#device = new CameraDevice(video, {
      onended: () => this.#unplugged(),
      onmuted: (muted) => this.#be({ muted }),
    });
    const onskip = () => (this.publisher.counts.skipped += 1);
    this.publisher = new Publisher(stream, this.#answers(), (handlers) => {
      const camera = () => ({ track: this.track, video });
      return new CameraLink(stream, { ...handlers, ontransport: events.ontransport }, camera);
    });
    this.capture = capture({ onframe: (frame) => this.publisher.send(frame), onskip });
    this.place = new ModelPlace(stream, {
      maySend: () => this.publisher.mayInferred,
      onfound: (found, model) => this.#found(found, model),
      onskip,
      onmove: () => this.#openGate(),
      ...events.place,
    });
  }

  /** The camera that is open. */
  get track() {
    return this.#device.track;
  }

  /** The server's last request. */
  get asked() {
    return this.#asked.knobs;
  }

  /** The present situation, for `cameraWords`. @returns {Readonly<Situation>} */
  get situation() {
    this.#now.unanswered = performance.now() - this.#lastResultAt;
    return this.#now;
  }

  /** Open no camera: this page can't be the stream's. @param {Situation["barred"]} barred */
  bar(barred) {
    this.#be({ barred });
  }

  /** Open a camera and publish it. @param {string} facing user or environment, instead of the camera that is chosen */
  async start(facing = "") {
    if (devices.isInsecure() || this.#now.barred) return;
    if (!this.#now.wanted) {
      this.publisher.clearCounts();
      this.#events.onbegin();
    }
    this.#release();
    this.#be({ wanted: true, problem: null, opening: true, muted: false });
    try {
      if (await this.#device.open(this.#events.choice(), facing)) {
        this.#events.ontrack(this.track);
        this.#goOn();
        this.#now.opening = false;
      }
    } catch (error) {
      Object.assign(this.#now, { problem: devices.cameraProblem(error), opening: false });
      this.publisher.stop();
    }
    await this.#events.onopened();
    this.#events.onchange();
  }

  /** Close the camera, and leave the stream. */
  stop() {
    this.publisher.stop();
    this.place.end();
    this.#release();
    this.#be({ wanted: false, problem: null, opening: false, hadServer: false, hadResult: false });
  }

  /** Open the chosen camera in place of the one that is on. */
  restart() {
    if (this.#now.wanted) void this.start();
  }

  /** Try again what failed before. Returns false where nothing did. */
  recover() {
    if (!this.#now.wanted || !this.#now.problem) return false;
    void this.start();
    return true;
  }

  /** Pause or go on, after the page was hidden or is seen again. */
  seen() {
    if (document.hidden && this.#events.pauses()) this.#pause();
    else if (this.#now.wanted && this.track?.readyState !== "live" && !this.#now.opening) void this.start();
    else this.#goOn();
    this.#events.onchange();
  }

  /** Change the situation, and tell the page. @param {Partial<Situation>} changes */
  #be(changes) {
    Object.assign(this.#now, changes);
    this.#events.onchange();
  }

  /** Handlers of the server's messages. @returns {import("../wire/publisher.js").Events} */
  #answers() {
    return {
      onphase: (phase, retryAt) => {
        const { refused } = this.publisher;
        if (phase !== "open") this.capture.close();
        if (refused?.code === "stream_busy") this.#events.onbusy();
        this.#be({ phase, retryAt, refused });
      },
      onhello: (hello) => {
        this.#now.hadServer = true;
        this.#lastResultAt = performance.now();
        this.#obey(hello, "");
        this.place.begin();
        if (this.#now.paused) this.publisher.background(true);
        this.#openGate();
        this.#events.onhello(hello);
      },
      onadapt: (adapt) => {
        const another = adapt.preset !== this.asked.preset;
        this.#obey(adapt, adapt.reason);
        if (another) this.#openGate(); // more or fewer may be under way
        else this.#limit();
        if (another && this.track && adapt.width > (this.track.getSettings().width ?? Infinity)) void this.start();
      },
      onstatus: (state, message) => this.#be({ model: { state, message } }),
      onanswer: () => this.capture.grant(),
      onresult: (picture, result, timestamp) => this.#show(picture, result, timestamp),
      ontoolarge: () => {
        this.#asked.tooLarge();
        this.#limit();
      },
    };
  }

  /** @param {Knobs} knobs @param {string} reason */
  #obey(knobs, reason) {
    this.#asked.take(knobs);
    this.#events.onasked(this.asked, reason);
  }

  #unplugged() {
    this.#release();
    this.publisher.stop();
    this.#now.problem = devices.UNPLUGGED;
    void this.#events.onopened();
    this.#events.onchange();
  }

  /** Let go of the camera. */
  #release() {
    this.place.pause();
    this.capture.stop();
    this.#device.close();
    this.#events.ontrack(null);
    this.#events.onawake(false);
  }

  /** Capture and send, unless the page is hidden and shall pause there. */
  #goOn() {
    const before = this.#now.paused;
    this.#now.paused = document.hidden && this.#events.pauses();
    if (!this.track || this.#now.paused) return;
    if (before) this.publisher.background(false);
    this.track.enabled = true;
    this.#events.onawake(true);
    this.#lastResultAt = performance.now();
    if (!this.capture.way) this.capture.start(this.#video, this.track);
    this.#openGate();
    this.publisher.start();
  }

  /** Send nothing, but keep the stream: viewers are told why no picture comes. */
  #pause() {
    this.#now.paused = true;
    this.capture.close();
    this.place.pause();
    this.publisher.background(true);
    if (this.track) this.track.enabled = false;
  }

  /** Send pictures to the place of the model. */
  #openGate() {
    const { publisher } = this;
    this.place.limit(this.#pace, this.#limits);
    if (this.#now.paused) return;
    if (this.place.inBrowser) {
      publisher.useSocket(IN_BROWSER);
      this.capture.close();
      if (this.track) this.place.watch(this.#video);
      return;
    }
    this.place.pause();
    publisher.useAny();
    if (publisher.video) this.capture.close();
    else if (publisher.hello) this.capture.reset(publisher.free, this.#pace, this.#limits);
  }

  #limit() {
    this.capture.limit(this.#pace, this.#limits);
    this.place.limit(this.#pace, this.#limits);
  }

  get #limits() {
    return this.#asked.limits(this.publisher.hello);
  }

  get #pace() {
    return this.#asked.pace(this.publisher.hello);
  }

  /** @type {import("../wire/publisher.js").Events["onresult"]} */
  #show(picture, result, timestamp) {
    const at = performance.now();
    this.#lastResultAt = at;
    this.#now.hadResult = true;
    this.#now.model = { state: "ready", message: "" };
    const mode = result.browser ? "browser" : "server";
    const latency = wallClock() - timestamp;
    this.place.shown(mode, latency);
    this.#events.onresult(picture, result, { at, latency, mode });
  }

  /**
   * Take this browser's own findings. The server gets all; the person sees the classes that are asked for.
   *
   * @param {import("../infer/inference.js").Inferred} found @param {import("./model-place.js").PortableModel} model
   */
  #found(found, model) {
    const { device, deviceName } = this.place;
    const frameNumber = device ? this.publisher.sendInferred(found, model.name, device) : 0;
    const { result, mask } = resultOf(found, model, { stream: this.#stream, frameNumber, browser: deviceName });
    const { bitmap: image, width, height, timestamp } = found;
    this.#show({ image, width, height, findings: result, mask }, result, timestamp);
  }
}
