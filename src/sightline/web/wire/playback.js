/** A connection over which recorded pictures come, each with its own findings, as a viewer gets live ones. */

import { Receiver } from "./receiver.js";
import { LiveSocket } from "./socket.js";

/**
 * @typedef {import("./messages.js").PlaybackFrame} PlaybackFrame
 * @typedef {{
 *   onpicture: (meta: PlaybackFrame, picture: import("./findings.js").Picture) => void,
 *   onstate: (message: import("./messages.js").PlaybackState) => void,
 *   onphase: (phase: import("./socket.js").Phase, retryAt: number) => void,
 * }} Events `onpicture` owns the picture
 */

export class PlaybackLink {
  at;
  speed;
  playing;
  #socket;
  #receiver;
  #events;
  /** Number of the last place that was asked for: pictures of earlier ones may be under way. */
  #place = 0;

  /** @param {string} path @param {{at: number, speed: number, playing: boolean}} from @param {Events} events */
  constructor(path, { at, speed, playing }, events) {
    this.at = at;
    this.speed = speed;
    this.playing = playing;
    this.#events = events;
    this.#receiver = new Receiver({
      onpicture: (meta, picture) => this.#show(/** @type {PlaybackFrame} */ (meta), picture),
      onbroken: (meta) => this.#acknowledge(meta),
    });
    this.#socket = new LiveSocket(() => this.#address(path), {
      onphase: (phase, retryAt) => {
        if (phase !== "open") this.#receiver.reset();
        if (phase === "connecting") this.#place = 0;
        events.onphase(phase, retryAt);
      },
      onmessage: (message) => {
        this.#socket.healthy();
        if (message.type === "frame_metadata") this.#receiver.announce(message);
        else if (message.type === "playback") this.#told(message);
      },
      onbinary: (data) => this.#receiver.receive(data),
    });
  }

  /** Connect, and stay connected until `close`. */
  open() {
    this.#socket.open();
  }

  get refused() {
    return this.#socket.refused;
  }

  /** @param {number} at */
  seek(at) {
    this.at = at;
    this.#socket.send({ type: "seek", at, id: (this.#place += 1) });
  }

  /** Go so many frames on, or back, and pause. @param {number} frames */
  step(frames) {
    this.playing = false;
    this.#socket.send({ type: "step", frames, id: (this.#place += 1) });
  }

  /** @param {number} x */
  setSpeed(x) {
    this.speed = x;
    this.#socket.send({ type: "speed", x });
  }

  play() {
    this.playing = true;
    this.#socket.send({ type: "play" });
  }

  pause() {
    this.playing = false;
    this.#socket.send({ type: "pause" });
  }

  retryNow() {
    this.#socket.retryNow();
  }

  close() {
    this.#receiver.reset();
    this.#place = -1; // what is being decoded is of no use any more
    this.#socket.close();
  }

  /** @param {string} path */
  #address(path) {
    const query = new URLSearchParams({ from: `${this.at}`, speed: `${this.speed}`, play: this.playing ? "1" : "0" });
    return `${path}?${query}`;
  }

  /** @param {import("./messages.js").PlaybackState} message */
  #told(message) {
    if (message.state === "end" || message.state === "empty") this.playing = false;
    this.#events.onstate(message);
  }

  /** @param {PlaybackFrame} meta @param {import("./findings.js").Picture} picture */
  #show(meta, picture) {
    this.#acknowledge(meta);
    if (meta.place !== this.#place) {
      picture.image.close();
      return;
    }
    this.at = meta.at;
    this.#events.onpicture(meta, picture);
  }

  /** @param {{frameNumber: number}} meta */
  #acknowledge({ frameNumber }) {
    this.#socket.send({ type: "ack", frameNumber });
  }
}
