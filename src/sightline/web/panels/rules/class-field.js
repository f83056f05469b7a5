/** Classes of a rule: each a button that takes it out, and a field that adds one. */

import { icon, make } from "../../lib/dom.js";
import { className, t } from "../../lib/i18n.js";

export class ClassField {
  element = make("span", { class: "classes-field" });
  #input = make("input", { id: "rule-class", list: "rule-known-classes", maxlength: "200", autocomplete: "off", spellcheck: "false" });
  #known = make("datalist", { id: "rule-known-classes" });
  /** @type {string[]} */
  #chosen = [];
  #change;

  /** @param {() => void} change */
  constructor(change) {
    this.#change = change;
    this.#input.setAttribute("aria-label", t`Add a class`);
    this.#input.setAttribute("autocapitalize", "off");
    this.#input.addEventListener("change", () => this.#add(this.#input.value.trim()));
    this.#input.addEventListener("input", (event) => {
      // One that was picked from the list comes at once, without a key
      if (!(event instanceof InputEvent) || event.inputType === "insertReplacementText") this.#add(this.#input.value);
    });
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // it does not send the form
      this.#add(this.#input.value.trim());
    });
  }

  /** @param {readonly string[]} names */
  suggest(names) {
    this.#known.replaceChildren(...names.map((value) => make("option", { value, label: className(value) })));
  }

  get value() {
    return [...this.#chosen];
  }

  set value(names) {
    this.#chosen = [...names];
    this.#show();
  }

  /** @param {string} name */
  #add(name) {
    this.#input.value = "";
    if (!name || this.#chosen.includes(name)) return;
    this.#chosen.push(name);
    this.#show();
    this.#change();
    this.#input.focus();
  }

  /** @param {string} name */
  #remove(name) {
    this.#chosen = this.#chosen.filter((one) => one !== name);
    this.#show();
    this.#change();
    this.#input.focus();
  }

  #show() {
    const chips = this.#chosen.map((name) => {
      const chip = make("button", { type: "button", class: "chip", "aria-label": t`Leave out ${className(name)}` }, className(name), icon("close"));
      chip.addEventListener("click", () => this.#remove(name));
      return chip;
    });
    this.#input.placeholder = chips.length ? t`or …` : t`of any class`;
    this.element.replaceChildren(...chips, this.#input, this.#known);
  }
}
