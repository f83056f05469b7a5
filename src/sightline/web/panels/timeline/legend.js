/** The classes of what is shown, each in its colour. Pressing one leaves it out of the picture, or has it back. */

import { make } from "../../lib/dom.js";
import { className, t } from "../../lib/i18n.js";
import { color } from "../../lib/palette.js";

const MOST = 12;

export class Legend {
  /** @type {Set<string>} */
  hidden = new Set();
  /** Called when another choice was made. */
  onchange = () => {};
  #place;
  /** Ids of classes, as pictures have told them. @type {Map<string, number>} */
  #ids = new Map();
  #shown = "";

  /** @param {HTMLElement} place a list */
  constructor(place) {
    this.#place = place;
  }

  /** Learn ids of classes, by which colours go. @param {import("../../wire/findings.js").Findings} findings @returns {boolean} true if one is new */
  learn({ detections, segments = [] }) {
    const before = this.#ids.size;
    for (const { class_name, class_id } of [...detections, ...segments]) this.#ids.set(class_name, class_id);
    return this.#ids.size > before;
  }

  get known() {
    return this.#ids.keys();
  }

  /** The colour of a class; before a picture tells its id, always the same one. @param {string} name */
  colorOf(name) {
    const id = this.#ids.get(name) ?? (name === "person" ? 0 : [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 24);
    return `rgb(${color(id).join(" ")})`;
  }

  /** @param {Iterable<string>} names most frequent first */
  show(names) {
    const all = [...new Set([...names].slice(0, MOST).concat([...this.hidden]))];
    const said = JSON.stringify(all.map((name) => [name, this.colorOf(name), this.hidden.has(name)]));
    if (said === this.#shown) return;
    this.#shown = said;
    const focused = document.activeElement?.getAttribute("data-class");
    this.#place.replaceChildren(...all.map((name) => make("li", {}, this.#button(name))));
    for (const button of this.#place.querySelectorAll("button")) if (button.dataset["class"] === focused) button.focus();
  }

  /** @param {string} name */
  #button(name) {
    const dot = make("span", { class: "dot" });
    dot.style.backgroundColor = this.colorOf(name);
    const pressed = String(!this.hidden.has(name));
    const button = make("button", { type: "button", class: "chip", "aria-pressed": pressed, "data-class": name, title: t`Draw it or not` }, dot, className(name));
    button.addEventListener("click", () => {
      if (!this.hidden.delete(name)) this.hidden.add(name);
      this.onchange();
    });
    return button;
  }
}
