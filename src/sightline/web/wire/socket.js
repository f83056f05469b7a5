/** A WebSocket that comes back. It tries again after growing waits, and notices when the other end goes quiet. */

import { Backoff } from "../lib/backoff.js";
import { Clock, wallClock } from "../lib/clock.js";
import { isFinal, parse } from "./messages.js";

const CONNECT_MS = 8_000;
const BEAT_MS = 5_000;
const QUIET_MS = 12_000;
const CLOCK_SAMPLES = 4;

/**
 * @typedef {"connecting" | "open" | "waiting" | "closed"} Phase
 * @typedef {{
 *   onphase: (phase: Phase, retryAt: number) => void,
 *   onmessage: (message: import("./messages.js").ServerMessage) => void,
 *   onbinary?: (data: ArrayBuffer) => void,
 * }} Handlers `retryAt` is on the clock of `performance.now()`, 0 unless waiting
 * @typedef {{
 *   phase: Phase,
 *   clock: Clock,
 *   refused: {code: string, message: string} | null,
 *   open: () => void,
 *   drop: () => void,
 *   close: () => void,
 *   retryNow: () => void,
 *   healthy: () => void,
 *   send: (message: object) => void,
 *   sendBinary: (data: ArrayBuffer) => void,
 *   video?: boolean,
 *   useSocket?: (why: string) => void,
 *   useAny?: () => void,
 *   taken?: (result: import("./messages.js").ResultMessage) => {bitmap: ImageBitmap, timestamp: number} | undefined,
 * }} Connection of a camera: a `LiveSocket`, or a link that may send `video` instead, whose pictures `taken` finds
 */

export class LiveSocket {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timeout;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #beat;
  /** Time of the oldest ping after which nothing was heard; 0 if there is none. */
  #unheard = 0;
  #url;
  /** The only header that a page can write has the token: an address may end up in a log. */
  #protocols;
  #handlers;
  #backoff = new Backoff();
  /** @type {Phase} */
  phase = "closed";
  clock = new Clock();
  /** The server's refusal of the last try, or null. @type {{code: string, message: string} | null} */
  refused = null;
  #refusedNow = false;

  /**
   * @param {string | (() => string)} path such as /ws/view/webcam, or what gives it anew for each try
   * @param {Handlers} handlers
   * @param {string} server its origin, such as https://cam.example @param {string} token "" where the cookie says who asks
   */
  constructor(path, handlers, server = location.origin, token = "") {
    this.#protocols = token ? ["sightline", `sightline.token.${token}`] : [];
    this.#url = () => server.replace(/^http/, "ws") + (typeof path === "string" ? path : path());
    this.#handlers = handlers;
  }

  /** Connect, and stay connected until `close`. */
  open() {
    if (this.phase === "closed") this.#connect();
  }

  /** End the connection, until the next `open`. */
  close() {
    if (this.phase === "closed") return;
    this.#letGo(1000);
    this.healthy();
    this.#enter("closed");
  }

  /** Give this connection up. Try again after a wait, unless the server's refusal is final. */
  drop() {
    if (this.phase === "closed" || this.phase === "waiting") return;
    this.#letGo(4000);
    if (!this.#refusedNow) this.refused = null;
    if (this.refused && isFinal(this.refused.code)) {
      this.#enter("closed");
      return;
    }
    const wait = this.#backoff.next();
    this.#retry = setTimeout(() => this.#connect(), wait);
    this.#enter("waiting", performance.now() + wait);
  }

  /** Connect at once instead of waiting for the next try. */
  retryNow() {
    if (this.phase === "waiting" || (this.phase === "closed" && this.refused)) this.#connect();
  }

  /** Note that the connection proved good, which makes the next wait short again. */
  healthy() {
    this.#backoff.reset();
    this.refused = null;
  }

  /** @param {object} message */
  send(message) {
    if (this.phase === "open") this.#socket?.send(JSON.stringify(message));
  }

  /** @param {ArrayBuffer} data */
  sendBinary(data) {
    if (this.phase === "open") this.#socket?.send(data);
  }

  #connect() {
    this.#letGo(1000);
    this.#refusedNow = false;
    const socket = new WebSocket(this.#url(), this.#protocols);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#received(event.data);
    socket.onclose = () => this.drop();
    this.#socket = socket;
    this.#timeout = setTimeout(() => this.drop(), CONNECT_MS);
    this.#enter("connecting");
  }

  #opened() {
    clearTimeout(this.#timeout);
    this.#unheard = 0;
    this.clock = new Clock();
    this.#beat = setInterval(() => this.#check(), BEAT_MS);
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
      this.clock.add(message.timestamp, wallClock(), message.server_time);
      if (this.clock.samples < CLOCK_SAMPLES) this.#ping();
    } else if (message?.type === "error") {
      this.refused = { code: message.code, message: message.message };
      this.#refusedNow = true; // and the server closes
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

  /** @param {number} code */
  #letGo(code) {
    clearTimeout(this.#retry);
    clearTimeout(this.#timeout);
    clearInterval(this.#beat);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(code);
  }

  /** @param {Phase} phase @param {number} retryAt */
  #enter(phase, retryAt = 0) {
    this.phase = phase;
    this.#handlers.onphase(phase, retryAt);
  }
}
