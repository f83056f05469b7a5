/** Which answers are to be shown: none that is older than the one that is shown, or than a change. Pure. */

export class Newest {
  #asked = 0;
  #least = 0;

  /** Something is asked for. Returns the number of the question. */
  ask() {
    return (this.#asked += 1);
  }

  /** Whether an answer is to be shown. @param {number} asked the number of its question */
  takes(asked) {
    if (asked < this.#least) return false;
    this.#least = asked;
    return true;
  }

  /** Something was changed, which may be missing in all that was asked for before. */
  changed() {
    this.#least = this.#asked + 1;
  }
}
