/** Plays recordings in a viewer's own picture, and lets it go live again. Overlays are the viewer's in both. */

import { PlaybackLink } from "../../wire/playback.js";

const CLEAN_S = 3;
/** Seconds from the time that was asked for to that of the next picture from which they are told. */
const FAR_S = 60;

/**
 * @typedef {"none" | "opening" | "playing" | "paused" | "end" | "empty" | "live" | "lost"} PlayState
 * @typedef {import("../../wire/playback.js").PlaybackFrame} PlaybackFrame
 */

export class Player {
  stream = "";
  /** Time of the picture that is shown, or that was asked for. Seconds since 1970. */
  at = NaN;
  speed = 1;
  /** Whether the picture that is drawn is one that somebody asked for. */
  sought = false;
  /** How often another place was asked for. */
  moves = 0;
  /** @type {PlayState} */
  state = "none";
  /** When the connection is tried again, on the clock of `performance.now()`. */
  retryAt = 0;
  /** Called when the state changed. */
  onchange = () => {};
  /** Called when a picture was drawn. @type {(meta: PlaybackFrame) => void} */
  onpicture = () => {};
  /** Called when nothing was recorded for a while, which is passed over. @type {(from: number, to: number) => void} */
  ongap = () => {};
  #viewer;
  #pathOf;
  /** @type {PlaybackLink | null} */
  #link = null;
  #drawnAt = NaN;

  /**
   * @param {import("../../elements/sightline-viewer.js").SightlineViewer} viewer without a stream as yet
   * @param {(stream: string) => string} [pathOf] where the server plays a stream
   */
  constructor(viewer, pathOf = (stream) => `/ws/playback/${encodeURIComponent(stream)}`) {
    this.#viewer = viewer;
    this.#pathOf = pathOf;
  }

  get refused() {
    return this.#link?.refused ?? null;
  }

  get playing() {
    return this.state === "live" || (this.#link?.playing ?? false);
  }

  /** Show a stream at a time. @param {string} stream @param {number} at @param {boolean} playing go on from there */
  go(stream, at, playing = this.#link?.playing ?? false) {
    this.moves += 1;
    this.sought = true;
    if (stream !== this.stream || !this.#link) {
      this.#leave();
      this.stream = stream;
      this.at = at;
      this.#link = this.#connect(at, playing);
      this.#enter("opening");
      return this.#link.open();
    }
    this.at = at;
    this.#link.seek(at);
    if (playing !== this.#link.playing) this.#link[playing ? "play" : "pause"]();
    this.#enter(playing ? "playing" : "paused");
  }

  toggle() {
    if (this.state === "live" || !this.#link) return;
    this.#link[this.#link.playing ? "pause" : "play"]();
    this.#enter(this.#link.playing ? "playing" : "paused");
  }

  /** @param {number} frames */
  step(frames) {
    this.sought = true;
    this.#link?.step(frames);
    if (this.#link) this.#enter("paused");
  }

  /** @param {number} x times real time */
  setSpeed(x) {
    this.speed = x;
    this.#link?.setSpeed(x);
    this.onchange();
  }

  /** @param {string} stream */
  goLive(stream) {
    this.moves += 1;
    this.#leave();
    this.stream = stream;
    this.at = Date.now() / 1000;
    this.#viewer.setAttribute("stream", stream);
    this.#enter("live");
  }

  retryNow() {
    this.#link?.retryNow();
  }

  /** @param {number} at @param {boolean} playing */
  #connect(at, playing) {
    const link = new PlaybackLink(this.#pathOf(this.stream), { at, speed: this.speed, playing }, {
      onpicture: (meta, picture) => {
        const { painter } = this.#viewer;
        if (!(meta.at >= this.#drawnAt && meta.at < this.#drawnAt + CLEAN_S)) painter.clear(); // no trails from elsewhere
        if (this.sought && meta.at > this.at + FAR_S) this.ongap(this.at, meta.at);
        this.#drawnAt = this.at = meta.at;
        painter.show(picture);
        if (this.state === "opening" || this.state === "lost") this.#enter(link.playing ? "playing" : "paused");
        this.onpicture(meta);
        this.sought = false;
      },
      onstate: ({ state, at, until }) => {
        if (state === "gap") this.ongap(at, until ?? at);
        else if (state === "end" || state === "empty") this.#enter(state);
      },
      onphase: (phase, retryAt) => {
        this.retryAt = retryAt;
        if (this.#link === link && (phase === "waiting" || phase === "closed")) this.#enter("lost");
        else this.onchange();
      },
    });
    return link;
  }

  #leave() {
    const link = this.#link;
    this.#link = null;
    link?.close();
    this.#viewer.removeAttribute("stream");
    this.#viewer.painter.clear();
    this.#drawnAt = NaN;
  }

  /** @param {PlayState} state */
  #enter(state) {
    this.state = state;
    this.onchange();
  }
}
