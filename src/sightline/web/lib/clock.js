/** The server's clock, as seen from here: from pings and their answers. */

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
    // The quickest trip tells best: whatever delayed the others may have delayed one way only.
    return this.#best()?.offset ?? null;
  }

  /** Milliseconds there and back, at best. */
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
