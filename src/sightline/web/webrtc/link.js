/**
 * A page's connection to the server, over WebRTC or a WebSocket. A rule chooses; where WebRTC does not connect within
 * three seconds, or breaks, a WebSocket takes its place. Both carry the same messages. Over WebRTC pictures go as video.
 */

import { Backoff } from "../lib/backoff.js";
import { Clock, wallClock } from "../lib/clock.js";
import { t } from "../lib/i18n.js";
import { parse } from "../wire/messages.js";
import { LiveSocket } from "../wire/socket.js";
import { choose } from "./choice.js";
import { Connection, able, terms } from "./connection.js";

const CONNECT_MS = 3_000;
const BEAT_MS = 5_000;
const QUIET_MS = 12_000;
const CLOCK_SAMPLES = 4;
const NO_UDP = t`no UDP path`;

/**
 * @typedef {import("../wire/socket.js").Phase} Phase
 * @typedef {import("./connection.js").Terms} Terms
 * @typedef {import("../wire/socket.js").Handlers & {
 *   prepare: (peer: RTCPeerConnection, terms: Terms) => void,
 *   onvideo: () => void,
 *   onend: () => void,
 *   onclock?: (clock: Clock) => void,
 *   ontransport?: OnTransport,
 * }} Handlers `prepare` adds the video to a WebRTC connection, `onvideo` tells that it flows, `onend` that it does not
 *   any more
 * @typedef {(transport: import("./choice.js").Transport, why: string, fellBack: boolean) => void} OnTransport which one
 *   is taken; `why` it is not WebRTC; `fellBack`: WebRTC was tried
 */

export class Link {
  #handlers;
  #socket;
  #webrtcPath;
  #server;
  #token;
  /** @type {import("./choice.js").Choice} */
  #choice;
  /** Choice from before `useSocket`. @type {import("./choice.js").Choice | null} */
  #aside = null;
  /** True while pictures go as video. */
  video = false;
  /** Reason why WebRTC is not used. */
  #why = "";
  /** @type {Connection | null} */
  #connection = null;
  /** @type {"websocket" | "webrtc" | ""} the one in use */
  #way = "";
  /** @type {Phase} */
  #phase = "closed";
  #clock = new Clock();
  /** @type {{code: string, message: string} | null} */
  #refused = null;
  #backoff = new Backoff();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #beat;
  /** Time of the oldest ping after which nothing was heard; 0 if there is none. */
  #unheard = 0;
  #run = 0;
  /** @type {Promise<unknown>} */
  #left = Promise.resolve();

  /**
   * @param {{socket: string, webrtc: string}} paths @param {Handlers} handlers
   * @param {{server?: string, choice?: import("./choice.js").Choice, token?: string}} to the page's own server, and what
   *   its address says, where nothing else is given; `token`: where no cookie says who asks
   */
  constructor(paths, handlers, { server = location.origin, choice = choose(location), token = "" } = {}) {
    this.#handlers = handlers;
    this.#webrtcPath = paths.webrtc;
    this.#server = server;
    this.#choice = choice;
    this.#token = token;
    const onphase = (/** @type {Phase} */ phase, /** @type {number} */ retryAt) => {
      if (this.#way === "websocket") handlers.onphase(phase, retryAt);
    };
    this.#socket = new LiveSocket(paths.socket, { ...handlers, onphase }, server, token);
  }

  get phase() {
    return this.#way === "websocket" ? this.#socket.phase : this.#phase;
  }

  get clock() {
    return this.#way === "websocket" ? this.#socket.clock : this.#clock;
  }

  /** The server's refusal of the last try, or null. */
  get refused() {
    return this.#way === "websocket" ? this.#socket.refused : this.#refused;
  }

  /** Connect, and stay connected until `close`. */
  open() {
    if (this.phase !== "closed") return;
    if (this.#choice.transport === "webrtc") void this.#tryWebRtc();
    else this.#useSocket();
  }

  /** End the connection, until the next `open`. */
  close() {
    if (this.phase === "closed") return;
    if (this.#way === "websocket") {
      this.#socket.close();
      return;
    }
    void this.#letGo();
    this.healthy();
    this.#enter("closed");
  }

  /** Give this connection up and try again after a wait. */
  drop() {
    if (this.#way === "websocket") this.#socket.drop();
    else if (this.#phase === "open" || this.#phase === "connecting") this.giveUp(t`nothing was heard of the server`);
  }

  /** Give WebRTC up: it does not do what it should. @param {string} why @param {boolean} [forGood] also where a page wants nothing else */
  giveUp(why, forGood = false) {
    if (this.#way === "webrtc") void this.#failed(why, forGood);
  }

  /** Connect at once instead of waiting for the next try. */
  retryNow() {
    if (this.#way === "websocket") this.#socket.retryNow();
    else if (this.#phase === "waiting") void this.#tryWebRtc();
  }

  /** Note that the connection proved good. */
  healthy() {
    this.#socket.healthy();
    this.#backoff.reset();
    this.#refused = null;
  }

  /** Use a WebSocket from now on. @param {string} why */
  useSocket(why) {
    if (this.#choice.transport === "websocket") return;
    this.#aside = this.#choice;
    this.#choice = { transport: "websocket", forced: true };
    this.#why = why;
    if (this.#way === "websocket") this.#tell("websocket", why);
    else if (this.#phase !== "closed") void this.#letGo().then(() => this.#useSocket());
  }

  /** Undo `useSocket`. */
  useAny() {
    if (!this.#aside) return;
    this.#choice = this.#aside;
    this.#aside = null;
    this.#why = "";
    if (this.#way !== "websocket" || this.#socket.phase === "closed") return;
    this.#way = "webrtc"; // so that nobody hears of the socket's end
    this.#socket.close();
    void this.#tryWebRtc();
  }

  /** @param {object} message */
  send(message) {
    if (this.#way === "websocket") this.#socket.send(message);
    else this.#connection?.send(JSON.stringify(message));
  }

  /** @param {ArrayBuffer} data */
  sendBinary(data) {
    if (this.#way === "websocket") this.#socket.sendBinary(data);
  }

  #useSocket(fellBack = false) {
    this.#way = "websocket";
    this.#tell("websocket", this.#why, fellBack);
    this.#socket.open();
  }

  async #tryWebRtc() {
    const left = this.#letGo();
    const run = this.#run;
    this.#way = "webrtc";
    this.#enter("connecting");
    await left;
    if (run !== this.#run) return;
    if (!able()) {
      void this.#failed(t`this browser can't show which picture it plays`);
      return;
    }
    this.#timer = setTimeout(() => this.#failed(NO_UDP), CONNECT_MS);
    const told = await terms(this.#server, this.#token).catch(() => null);
    if (run !== this.#run) return;
    if (!told?.available) {
      void this.#failed(told ? told.reason : t`the server doesn't say whether it offers WebRTC`);
      return;
    }
    const handlers = {
      onopen: () => this.#opened(),
      /** @param {string | ArrayBuffer} data */
      ondata: (data) => this.#received(data),
      /** @param {string} why */
      onclose: (why) => void this.#failed(this.#refused?.message ?? why),
      /** @param {string} code @param {string} message */
      onrefused: (code, message) => {
        this.#refused = { code, message };
        void this.#failed(t`the server refused WebRTC`);
      },
    };
    const prepare = (/** @type {RTCPeerConnection} */ peer) => this.#handlers.prepare(peer, told);
    this.#connection = new Connection(this.#server + this.#webrtcPath, told, handlers, prepare, this.#token);
  }

  #opened() {
    clearTimeout(this.#timer);
    this.#unheard = 0;
    this.#clock = new Clock();
    this.#beat = setInterval(() => this.#check(), BEAT_MS);
    this.video = true;
    this.#tell("webrtc", "");
    this.#handlers.onvideo();
    this.#enter("open");
    this.#ping();
  }

  /** @param {string | ArrayBuffer} data */
  #received(data) {
    this.#unheard = 0;
    if (typeof data !== "string") {
      this.#handlers.onbinary?.(data);
      return;
    }
    const message = parse(data);
    if (message?.type === "pong") {
      this.#clock.add(message.timestamp, wallClock(), message.server_time);
      if (this.#clock.samples < CLOCK_SAMPLES) this.#ping();
      this.#handlers.onclock?.(this.#clock);
    } else if (message?.type === "error") {
      this.#refused = { code: message.code, message: message.message };
    } else if (message) {
      this.#handlers.onmessage(message);
    }
  }

  #ping() {
    this.#unheard ||= performance.now(); // not when it was heard last: a hidden page asks once a minute
    this.send({ type: "ping", timestamp: wallClock() });
  }

  #check() {
    if (this.#unheard && performance.now() - this.#unheard > QUIET_MS) this.drop();
    else this.#ping();
  }

  /** Take what is left: WebRTC did not connect, or ended. @param {string} why @param {boolean} [forGood] */
  async #failed(why, forGood = false) {
    const had = this.video;
    const left = this.#letGo();
    const run = this.#run;
    await left;
    if (run !== this.#run || this.#phase === "closed") return;
    if (forGood || !this.#choice.forced) {
      this.#choice = { transport: "websocket", forced: false }; // rather than three seconds of waiting at every return
      this.#why = had ? t`the WebRTC connection broke (${why})` : why;
      this.#useSocket(true);
      return;
    }
    this.#refused ??= { code: "no_webrtc", message: why };
    const wait = this.#backoff.next();
    this.#timer = setTimeout(() => void this.#tryWebRtc(), wait);
    this.#enter("waiting", performance.now() + wait);
  }

  /** Let go of the WebRTC connection. Resolves once the server has let go, too. */
  async #letGo() {
    this.#run += 1;
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    const connection = this.#connection;
    this.#connection = null;
    if (this.video) {
      this.video = false;
      this.#handlers.onend();
    }
    this.#left = Promise.all([this.#left, connection?.close()]);
    await this.#left;
  }

  /** @param {import("./choice.js").Transport} transport @param {string} why */
  #tell(transport, why, fellBack = false) {
    this.#handlers.ontransport?.(transport, why, fellBack);
  }

  /** @param {Phase} phase @param {number} retryAt */
  #enter(phase, retryAt = 0) {
    this.#phase = phase;
    this.#handlers.onphase(phase, retryAt);
  }
}
