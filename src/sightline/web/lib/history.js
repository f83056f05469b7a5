/** What was done, to be undone and done again. */

const MOST = 200;

/** @template T */
export class History {
  #done;
  /** @type {T[]} */
  #undone = [];
  #open = false;

  /** @param {T} first */
  constructor(first) {
    this.#done = [first];
  }

  /** @returns {T} */
  get now() {
    return /** @type {T} */ (this.#done.at(-1));
  }

  get canUndo() {
    return this.#done.length > 1;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /**
   * Take a step. One that goes on with the last, such as the next move of a drag, takes its place.
   *
   * @param {T} next @param {boolean} goesOn
   */
  push(next, goesOn = false) {
    if (goesOn && this.#open) this.#done.pop();
    this.#done.push(next);
    if (this.#done.length > MOST) this.#done.shift();
    this.#undone = [];
    this.#open = true;
  }

  /** The step is over: nothing goes on with it. */
  settle() {
    this.#open = false;
  }

  undo() {
    this.settle();
    if (this.canUndo) this.#undone.push(/** @type {T} */ (this.#done.pop()));
  }

  redo() {
    this.settle();
    const again = this.#undone.pop();
    if (again !== undefined) this.#done.push(again);
  }
}
