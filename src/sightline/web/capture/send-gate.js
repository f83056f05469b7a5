/** Decides which pictures of a camera go out, within the server's limits on unanswered pictures and on their rate. */

export class SendGate {
  #credits = 0;
  #interval = 0;
  #next = 0;
  #open = false;

  /** Open, for a new connection. @param {number} credits pictures that may be under way @param {number} maxFps */
  reset(credits, maxFps) {
    this.#open = true;
    this.#credits = credits;
    this.#interval = 1000 / maxFps;
    this.#next = 0;
  }

  /** Let at most so many pictures per second through from now on. @param {number} maxFps */
  pace(maxFps) {
    this.#interval = 1000 / maxFps;
  }

  /** Close: the connection is gone, nothing goes out, and nothing counts as skipped. */
  close() {
    this.#open = false;
  }

  /** Allow one more picture: one had its answer. */
  grant() {
    this.#credits += 1;
  }

  /**
   * Decide on the picture that comes now. "go" takes one credit.
   *
   * @param {number} now milliseconds
   * @returns {"go" | "skip" | "closed"}
   */
  ask(now) {
    if (!this.#open) return "closed";
    // Pictures come a few ms early or late. One interval may be caught up; the mean stays within the limit.
    if (now < this.#next - 1 || this.#credits < 1) return "skip";
    this.#credits -= 1;
    this.#next = Math.max(this.#next, now - this.#interval) + this.#interval;
    return "go";
  }
}
