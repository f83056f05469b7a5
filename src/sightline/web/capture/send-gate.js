/** Decides which pictures of a camera go out: no more without an answer than the server takes, nor faster. */

export class SendGate {
  #credits = 0;
  #interval = 0;
  #next = 0;
  #open = false;

  /** A connection began. @param {number} credits pictures that may be under way @param {number} maxFps */
  reset(credits, maxFps) {
    this.#open = true;
    this.#credits = credits;
    this.#interval = 1000 / maxFps;
    this.#next = 0;
  }

  /** From now on at most so many a second. @param {number} maxFps */
  pace(maxFps) {
    this.#interval = 1000 / maxFps;
  }

  /** The connection is gone: nothing goes out, and nothing counts as skipped. */
  close() {
    this.#open = false;
  }

  /** A picture had its answer. */
  grant() {
    this.#credits += 1;
  }

  /**
   * May the picture that comes now go out? "go" takes one credit.
   *
   * @param {number} now milliseconds
   * @returns {"go" | "skip" | "closed"}
   */
  ask(now) {
    if (!this.#open) return "closed";
    // A camera's pictures come a few ms early or late: one interval may be caught up, the mean stays within the limit.
    if (now < this.#next - 1 || this.#credits < 1) return "skip";
    this.#credits -= 1;
    this.#next = Math.max(this.#next, now - this.#interval) + this.#interval;
    return "go";
  }
}
