/** List of a model's classes, with switches to show each, and the amount found lately. */

import { make, setText } from "../lib/dom.js";
import { className, t } from "../lib/i18n.js";
import { color } from "../lib/palette.js";
import { idsOf } from "./model-settings.js";
import { amount, listed, matches, shownInWords, universe } from "./model-words.js";
import { byId } from "./page.js";

/** @typedef {{item: HTMLLIElement, box: HTMLInputElement, figure: HTMLElement, id: number, name: string}} Row */

export class ClassList {
  #details = byId("classes", HTMLDetailsElement);
  #search = byId("class-search", HTMLInputElement);
  #all = byId("class-all", HTMLButtonElement);
  #none = byId("class-none", HTMLButtonElement);
  #list = byId("class-list", HTMLElement);
  #nothing = byId("class-nothing", HTMLElement);
  #count = byId("classes-shown", HTMLElement);
  #choose;
  /** @type {Row[]} */
  #rows = [];
  #made = "";
  /** @type {import("../wire/stream-stats.js").Detail | null} */
  #detail = null;
  /** @type {Set<number> | null} */
  #shown = null;
  #mayChange = false;

  /** @param {(ids: number[] | null) => void} choose @param {() => void} onopen */
  constructor(choose, onopen) {
    this.#choose = choose;
    this.#details.addEventListener("toggle", () => {
      this.#made = ""; // classes found since then come first
      this.#fill();
      if (this.#details.open) onopen();
    });
    this.#search.addEventListener("input", () => this.#find());
    this.#all.addEventListener("click", () => choose(null));
    this.#none.addEventListener("click", () => choose([]));
  }

  get open() {
    return this.#details.open;
  }

  /**
   * @param {import("../wire/stream-stats.js").Detail} detail @param {unknown} classes as asked for or in force: names, ids or null
   * @param {boolean} mayChange
   */
  show(detail, classes, mayChange) {
    this.#detail = detail;
    this.#mayChange = mayChange;
    this.#shown = Array.isArray(classes) ? ids(classes, detail.labels) : null;
    setText(this.#count, shownInWords(this.#shown, detail.labels.length));
    this.#all.disabled = !mayChange || this.#shown === null;
    this.#none.disabled = !mayChange || this.#shown?.size === 0;
    this.#fill();
  }

  #fill() {
    const detail = this.#detail;
    if (!detail || !this.open) return;
    const { labels, seen } = detail;
    // The order stays while the list is open, as a row must not move away under the pointer.
    const fresh = seen.filter((s) => !labels.length && !this.#rows.some((row) => row.id === s.class_id));
    const of = JSON.stringify([detail.settings.model, labels]);
    if (of !== this.#made || fresh.length) {
      this.#made = of;
      this.#rows = listed(labels, seen, this.#shown).map((entry) => this.#row(entry));
      this.#list.replaceChildren(...this.#rows.map((row) => row.item));
      this.#find();
    }
    const found = new Map(seen.map((s) => [s.class_id, s]));
    for (const { id, box, figure } of this.#rows) {
      box.checked = this.#shown?.has(id) ?? true;
      box.disabled = !this.#mayChange;
      setText(figure, amount(found.get(id)));
    }
  }

  /** @param {{id: number, name: string}} entry @returns {Row} */
  #row({ id, name }) {
    const box = make("input", { type: "checkbox" });
    const dot = make("span", { class: "dot" });
    const [r, g, b] = color(id);
    dot.style.backgroundColor = `rgb(${r} ${g} ${b})`;
    const figure = make("span", { class: "amount" });
    const label = make("label", { class: "class" }, box, dot, make("span", { class: "class-name" }, className(name)), figure);
    box.addEventListener("change", () => this.#toggle(id, box.checked));
    return { item: make("li", {}, label), box, figure, id, name };
  }

  /** @param {number} id @param {boolean} wanted */
  #toggle(id, wanted) {
    const every = universe(this.#detail?.labels ?? []);
    const chosen = new Set(this.#shown ?? every);
    if (wanted) chosen.add(id);
    else chosen.delete(id);
    this.#choose(chosen.size === every.length ? null : [...chosen].sort((a, b) => a - b));
  }

  #find() {
    for (const row of this.#rows) row.item.hidden = !matches(`${row.name} ${className(row.name)}`, this.#search.value.trim());
    const some = this.#rows.some((row) => !row.item.hidden);
    this.#nothing.hidden = some;
    setText(this.#nothing, this.#rows.length ? t`No class has such a name.` : t`Classes appear here once one is found.`);
  }
}

/** @param {unknown[]} classes @param {readonly string[]} labels */
function ids(classes, labels) {
  const names = classes.filter((one) => typeof one === "string");
  return new Set([...classes.filter((one) => typeof one === "number"), ...idsOf(names, labels)]);
}
