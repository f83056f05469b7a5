/** A list whose rows are made anew only where something has changed: the others keep the focus, and what was begun there. */

/** @template T */
export class Rows {
  #list;
  #idOf;
  #row;
  /** Rows by their ids, and of what they were made. @type {Map<string, {of: string, row: HTMLElement}>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} list @param {(one: T) => string} idOf
   * @param {(one: T) => HTMLElement} row
   */
  constructor(list, idOf, row) {
    this.#list = list;
    this.#idOf = idOf;
    this.#row = row;
  }

  /** @param {readonly T[]} all @param {(one: T) => unknown} [shown] what a row is made of */
  show(all, shown = (one) => one) {
    const before = this.#rows;
    this.#rows = new Map();
    for (const one of all) {
      const [id, of] = [this.#idOf(one), JSON.stringify(shown(one))];
      const known = before.get(id);
      this.#rows.set(id, known?.of === of ? known : { of, row: this.#row(one) });
    }
    const rows = [...this.#rows.values()].map(({ row }) => row);
    for (const gone of [...this.#list.children].filter((one) => !rows.includes(/** @type {HTMLElement} */ (one)))) gone.remove();
    rows.forEach((row, at) => {
      const there = this.#list.children[at] ?? null;
      if (there !== row) this.#list.insertBefore(row, there);
    });
  }
}
