/** Waits between tries: short for a server that is being restarted, then longer. They differ a little at random. */

const FIRST_MS = 200;
const SOON_MS = 400;
const SOON_TRIES = 12; // 4 to 5 s: after some 16 failures within a minute Chromium itself delays WebSockets by seconds
const LONGEST_MS = 1_500; // a page is back within two seconds of its server

export class Backoff {
  #tries = 0;
  #random;

  /**
   * @param {() => number} random from 0 to 1: pages that lost the same server must not all return in the same moment
   */
  constructor(random = Math.random) {
    this.#random = random;
  }

  /** Milliseconds until the next try. Each call counts as one failed try. */
  next() {
    const soon = this.#tries < SOON_TRIES;
    const wait = soon ? Math.min(SOON_MS, FIRST_MS * 2 ** this.#tries) : LONGEST_MS;
    this.#tries += 1;
    return Math.round(wait * (0.8 + 0.2 * this.#random()));
  }

  /** Start over: the server answered well. */
  reset() {
    this.#tries = 0;
  }
}
