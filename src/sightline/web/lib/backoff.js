/** Waits between tries: they grow from half a second to one and a half, and differ a little at random. */

const FIRST_MS = 500;
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
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#tries);
    this.#tries += 1;
    return Math.round(wait * (0.8 + 0.2 * this.#random()));
  }

  /** Start over: the server answered well. */
  reset() {
    this.#tries = 0;
  }
}
