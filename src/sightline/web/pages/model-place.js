/** Runs the model on the server or in this browser. Here it is loaded and watched, and its state told in words. */

import { Chooser } from "../infer/choice.js";
import { Inference } from "../infer/inference.js";
import { deviceInWords } from "../infer/words.js";
import { said, t } from "../lib/i18n.js";

const LOOK_MS = 3_000;
/** Why pictures do not go over WebRTC. */
export const IN_BROWSER = t`The model runs in this browser`;
const NO_THREADS = t`It has one thread only, because this page is not isolated: open it over https:// or as localhost.`;

/**
 * @typedef {import("../infer/input.js").PortableModel} PortableModel
 * @typedef {{runtime: boolean, model: PortableModel | null, reason: string}} Answer of `/api/streams/NAME/in-browser`
 * @typedef {{
 *   maySend: () => boolean,
 *   onfound: (found: import("../infer/inference.js").Inferred, model: PortableModel) => void,
 *   onskip: () => void,
 *   onmove: () => void,
 *   onsay: (text: string) => void,
 *   onnotice: (text: string) => void,
 *   onruntime: (there: boolean) => void,
 * }} Events `onmove`: pictures go elsewhere from now on; `onsay`: how things stand; `onnotice`: what was decided just
 *   now; `onruntime`: whether this build can run models in browsers
 */

export class ModelPlace {
  /**
   * The device that runs the model here; null before it is ready.
   *
   * @type {import("../infer/runtime.js").Device | null}
   */
  device = null;
  #stream;
  #events;
  #chooser = new Chooser();
  #inference;
  /** @type {import("../infer/choice.js").Wanted} */
  #wanted = "server";
  /** @type {PortableModel | null} */
  #model = null;
  #asked = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #looking;

  /** @param {string} stream @param {Events} events */
  constructor(stream, events) {
    this.#stream = stream;
    this.#events = events;
    this.#inference = new Inference({
      maySend: events.maySend,
      onskip: events.onskip,
      onfound: (found) => this.#model && events.onfound(found, this.#model),
      onready: (device) => this.#ready(device),
      onfailure: (why) => this.#failed(why),
    });
  }

  /** Choose the place. @param {import("../infer/choice.js").Wanted} wanted */
  want(wanted) {
    this.#wanted = wanted;
    if (this.#looking) void this.#choose();
  }

  get inBrowser() {
    return this.#chooser.place === "browser" && this.#inference.ready;
  }

  /** The device in words; "" while the server runs the model. */
  get deviceName() {
    return this.inBrowser && this.device ? deviceInWords(this.device) : "";
  }

  /** Begin with the chosen place: the server knows the stream. */
  begin() {
    if (this.#looking) return;
    this.#looking = setInterval(() => void this.#look(), LOOK_MS);
    void this.#choose();
  }

  /** End: the camera is off. */
  end() {
    clearInterval(this.#looking);
    this.#looking = undefined;
    this.#asked += 1;
    this.#inference.stop();
    this.#chooser.choose("server");
    this.#say();
  }

  /** Take pictures from this video, if the model runs here. @param {HTMLVideoElement} video */
  watch(video) {
    if (this.inBrowser) this.#inference.watch(video);
  }

  pause() {
    this.#inference.pause();
  }

  /** @param {number} maxFps @param {import("../lib/encoder.js").Limits} limits */
  limit(maxFps, limits) {
    this.#inference.limit(maxFps, limits);
  }

  /**
   * Note that a result was shown.
   *
   * @param {import("../infer/choice.js").Place} place @param {number} latency milliseconds
   */
  shown(place, latency) {
    if (!this.#chooser.result(place, latency)) return;
    this.#moved();
    if (!this.#chooser.measuring) this.#events.onnotice(this.#chooser.says);
  }

  async #choose() {
    this.#inference.stop();
    this.#chooser.choose(this.#wanted);
    this.#moved();
    if (this.#chooser.needsRuntime) await this.#load();
    else this.#note(await this.#ask());
  }

  async #load() {
    const answer = await this.#ask();
    if (!answer || !this.#chooser.needsRuntime) return;
    this.#note(answer);
    this.#model = answer.model;
    if (answer.model) this.#inference.load(answer.model);
    else this.#chooser.impossible(said(answer.reason));
    this.#say();
  }

  /** @returns {Promise<Answer | null>} null if it came too late, or not at all */
  async #ask() {
    this.#asked += 1;
    const mine = this.#asked;
    try {
      const response = await fetch(`/api/streams/${this.#stream}/in-browser`, { cache: "no-store" });
      const answer = response.ok ? await response.json() : null;
      return mine === this.#asked ? answer : null;
    } catch {
      return null; // asked again before long
    }
  }

  /** Note whether this build can run models at all. @param {Answer | null} answer */
  #note(answer) {
    if (!answer) return;
    this.#events.onruntime(answer.runtime);
    if (!answer.runtime) {
      this.#chooser.impossible(said(answer.reason));
      this.#say();
    }
  }

  /** Look whether the stream has another model or other settings. */
  async #look() {
    if (!this.#chooser.needsRuntime || document.hidden) return;
    if (this.#model && !this.#inference.ready) return; // it is being loaded
    const answer = await this.#ask();
    if (!answer || JSON.stringify(answer.model) === JSON.stringify(this.#model)) return;
    this.#inference.stop();
    this.#chooser.choose(this.#chooser.wanted);
    this.#moved();
    await this.#load();
  }

  /** @param {import("../infer/runtime.js").Device} device */
  #ready(device) {
    this.device = device;
    this.#chooser.ready(deviceInWords(device), device.backend === "wasm" && !crossOriginIsolated ? NO_THREADS : "");
    this.#moved();
  }

  /** @param {string} why */
  #failed(why) {
    const again = this.#chooser.failure(why, performance.now());
    this.#moved();
    this.#events.onnotice(this.#chooser.says);
    if (again && this.#model) this.#inference.load(this.#model);
  }

  #moved() {
    if (!this.#chooser.needsRuntime) this.#inference.stop();
    this.#say();
    this.#events.onmove();
  }

  #say() {
    this.#events.onsay(this.#chooser.says);
  }
}
