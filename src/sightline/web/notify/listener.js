/** Hears of rules' events. Of all pages in this browser one does, the one that holds the lock; another takes over. */

import { remember, remembered } from "../lib/storage.js";
import { LiveSocket } from "../wire/socket.js";
import { isAlert } from "./words.js";

const LOCK = "sightline-notifications";
const KEY = "notified";
/** What came while no page was open for longer than that is no news. */
const GAP_MS = 10 * 60_000;
const BEAT_MS = 30_000;

export class Listener {
  #only;
  #wants;
  #show;
  #locks;
  /** @type {AbortController | null} */
  #waiting = null;
  /** Lets the lock go. */
  #release = () => {};
  /** Place in the server's order of the last event that was heard; 0 where nobody knows. */
  #last = 0;
  /** The same, of the last event that was shown where it had to be. */
  #done = 0;
  /** @type {Promise<void>} */
  #doing = Promise.resolve();

  /**
   * @param {string} only stream to listen to, "" for all @param {(stream: string) => boolean} wants
   * @param {(event: import("./words.js").Alert) => Promise<void>} show
   *   resolves once it is certain to be shown
   * @param {Pick<LockManager, "request"> | undefined} locks without them each page listens
   */
  constructor(only, wants, show, locks = navigator.locks) {
    this.#only = only;
    this.#wants = wants;
    this.#show = show;
    this.#locks = locks;
  }

  /** Listen, as soon as no other page does. */
  start() {
    if (this.#waiting) return;
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    if (!this.#locks) void this.#hold();
    else this.#locks.request(LOCK, { signal }, () => this.#hold()).catch(() => {}); // it was stopped while it waited
  }

  stop() {
    this.#waiting?.abort();
    this.#waiting = null;
    this.#release();
  }

  /** Listen until the lock is let go. @returns {Promise<void>} */
  #hold() {
    this.#last = this.#done = lastHeard(Date.now());
    const socket = new LiveSocket(() => this.#path(), {
      onphase: () => {},
      onmessage: (message) => {
        socket.healthy();
        if (message.type === "event") this.#heard(message);
        else if (message.type === "position") this.#note(message.number, Promise.resolve());
      },
    });
    const beat = setInterval(() => socket.phase === "open" && this.#keep(this.#done), BEAT_MS);
    socket.open();
    return new Promise((resolve) => {
      this.#release = () => {
        clearInterval(beat);
        socket.close();
        resolve();
      };
    });
  }

  #path() {
    const query = new URLSearchParams({ events: "1", kind: "rule", position: "1" });
    if (this.#only) query.set("stream", this.#only);
    if (this.#last) query.set("after", String(this.#last));
    return `/ws?${query}`;
  }

  /** @param {import("./words.js").Alert} event */
  #heard(event) {
    const shall = isAlert(event) && this.#wants(event.stream);
    this.#note(event.number ?? 0, shall ? this.#show(event) : Promise.resolve());
  }

  /**
   * Note how far this page has heard, and once all is shown keep it for the page that takes over: one that is closed before
   * has its last events heard, and not shown, again.
   *
   * @param {number} number 0 where nobody knows @param {Promise<void>} shown
   */
  #note(number, shown) {
    if (!number) return;
    this.#last = number;
    this.#doing = Promise.allSettled([this.#doing, shown]).then(() => this.#keep(number));
  }

  /** @param {number} number */
  #keep(number) {
    this.#done = number;
    if (number) remember(KEY, `${number} ${Date.now()}`);
  }
}

/** Where the page before stopped; 0 if that is long ago. @param {number} now milliseconds since 1970 */
export function lastHeard(now) {
  const [number, at] = remembered(KEY, "0 0").split(" ").map(Number);
  return number && at && Math.abs(now - at) < GAP_MS ? number : 0;
}
