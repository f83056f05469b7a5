/** Choice of the classes that a zone or a line counts: none chosen means all. */

import { make, setText } from "../../lib/dom.js";
import { className, t } from "../../lib/i18n.js";
import { matches } from "../model-words.js";

export class ClassChoice {
  element;
  #chosen;
  #about = make("span", { class: "figure" });
  #list = make("ul", { class: "classes", "aria-label": t`Classes that count` });
  #search = make("input", { type: "search", id: "zone-class-search", autocomplete: "off", spellcheck: "false" });

  /** @param {readonly string[]} labels the model's @param {readonly string[] | null} chosen */
  constructor(labels, chosen) {
    this.#chosen = new Set(chosen ?? []);
    const names = [...this.#chosen, ...labels.filter((name) => !this.#chosen.has(name))];
    this.#list.append(...names.map((name) => this.#row(name)));
    this.#search.addEventListener("input", () => this.#find());
    const why = make("p", { class: "problem", id: "zone-classes-why", role: "status" });
    const nothing = make("p", { class: "hint" }, t`The model's classes are not known yet.`);
    nothing.hidden = names.length > 0;
    const inside = make("div", { class: "inside" }, make("label", { for: "zone-class-search" }, t`Search`), this.#search, this.#list, nothing);
    const summary = make("summary", {}, make("span", {}, t`Classes that count`), this.#about);
    this.element = make("div", {}, make("details", { id: "zone-classes" }, summary, inside), why);
    this.#say();
  }

  /** Names of the classes that count; null for all. */
  get value() {
    return this.#chosen.size ? [...this.#chosen] : null;
  }

  /** Called when another choice is made. */
  onchange() {}

  /** @param {string} name */
  #row(name) {
    const box = make("input", { type: "checkbox" });
    box.checked = this.#chosen.has(name);
    box.addEventListener("change", () => {
      if (box.checked) this.#chosen.add(name);
      else this.#chosen.delete(name);
      this.#say();
      this.onchange();
    });
    return make("li", { "data-name": name }, make("label", { class: "class" }, box, make("span", { class: "class-name" }, className(name))));
  }

  #say() {
    const { size } = this.#chosen;
    setText(this.#about, size === 0 ? t`all` : size <= 2 ? [...this.#chosen].map((name) => className(name)).join(", ") : `${size}`);
  }

  #find() {
    for (const row of this.#list.children) {
      if (row instanceof HTMLElement) row.hidden = !matches(row.textContent ?? "", this.#search.value.trim());
    }
  }
}
