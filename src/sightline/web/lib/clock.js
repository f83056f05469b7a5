/** Difference between this machine's clock and the server's, measured with pings. */

const KEPT = 8;

/** Milliseconds since 1970 on this machine's clock, in fractions. */
export function wallClock() {
  return performance.timeOrigin + performance.now();
}

export class Clock {
  /** @type {{trip: number, offset: number}[]} */
  #samples = [];

  /** Milliseconds to add to this machine's clock to get the server's; null before the first answer. */
  get offset() {
    // The quickest trip is the most exact: what delayed the others may have delayed one direction only.
    return this.#best()?.offset ?? null;
  }

  /** Milliseconds of the quickest round trip; NaN before the first. */
  get trip() {
    return this.#best()?.trip ?? NaN;
  }

  get samples() {
    return this.#samples.length;
  }

  /**
   * @param {number} sent when the ping left, on this clock
   * @param {number} back when its answer came, on this clock
   * @param {number} server the server's clock in between
   */
  add(sent, back, server) {
    this.#samples.push({ trip: back - sent, offset: server - (sent + back) / 2 });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  #best() {
    return this.#samples.length ? this.#samples.reduce((a, b) => (b.trip < a.trip ? b : a)) : undefined;
  }
}
