/** The lists of the models page. A row is made anew when something of its model has changed, and keeps the focus. */

import { nameOf } from "../../wire/stream-names.js";
import { byId } from "../page.js";
import { modelRow } from "./row.js";

/** @typedef {import("../../wire/models.js").Model} Model */

export class ModelList {
  #here = byId("here", HTMLElement);
  #others = byId("others", HTMLElement);
  #deeds;
  /** Rows by their model's name, and of what they were made. @type {Map<string, {of: string, row: HTMLElement}>} */
  #rows = new Map();
  /** The model that is removed once somebody says so again. */
  #asked = "";
  /** @type {readonly Model[]} */
  #models = [];
  #manages = false;

  /** @param {Omit<import("./row.js").Deeds, "ask">} deeds */
  constructor(deeds) {
    this.#deeds = { ...deeds, ask: (/** @type {string} */ name) => this.#ask(name) };
  }

  /** @param {readonly Model[]} models @param {boolean} manages */
  show(models, manages) {
    this.#models = models;
    this.#manages = manages;
    const names = new Set(models.map((model) => model.name));
    for (const [name, { row }] of this.#rows) {
      if (names.has(name)) continue;
      row.remove();
      this.#rows.delete(name);
    }
    this.#place(this.#here, models.filter((model) => model.usable));
    this.#place(this.#others, models.filter((model) => !model.usable));
    byId("others-part", HTMLElement).hidden = models.every((model) => model.usable);
  }

  /** @param {HTMLElement} list @param {readonly Model[]} models */
  #place(list, models) {
    models.forEach((model, at) => {
      const row = this.#row(model);
      if (list.children[at] !== row) list.insertBefore(row, list.children[at] ?? null);
    });
  }

  /** @param {Model} model */
  #row(model) {
    const asked = this.#asked === model.name;
    const of = JSON.stringify([model, this.#manages, asked, model.streams.map(nameOf)]);
    const before = this.#rows.get(model.name);
    if (before?.of === of) return before.row;
    const row = modelRow(model, this.#manages, asked, this.#deeds);
    const focused = before?.row.contains(document.activeElement) ? document.activeElement : null;
    before?.row.replaceWith(row);
    this.#rows.set(model.name, { of, row });
    if (focused instanceof HTMLElement) {
      const same = row.querySelector(`[data-act="${focused.dataset["act"]}"]`) ?? row.querySelector("button");
      if (same instanceof HTMLElement) same.focus();
    }
    return row;
  }

  /** Ask for somebody's word before a model is removed. @param {string} name "" for none */
  #ask(name) {
    this.#asked = name;
    this.show(this.#models, this.#manages);
  }

  /** Take the word back: it did not work. */
  calm() {
    this.#ask("");
    for (const held of this.#here.querySelectorAll("button:disabled")) held.removeAttribute("disabled");
    for (const held of this.#others.querySelectorAll("button:disabled")) held.removeAttribute("disabled");
  }
}
