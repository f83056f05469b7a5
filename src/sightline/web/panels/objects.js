/**
 * List of the objects in the picture. The eye gets it a few times a second; a screen reader seldom, and only changes.
 */

import { make, setText } from "../lib/dom.js";
import { areaInWords, several } from "../lib/format.js";
import { className, t } from "../lib/i18n.js";
import { color } from "../lib/palette.js";
import { seen, summary } from "../wire/findings.js";

const LOOK_MS = 400;
const SPEAK_MS = 5_000;

export class ObjectList {
  #list;
  #spoken;
  #soFar;
  #shown = "";
  #shownAt = -Infinity;
  #spokenAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later;

  /**
   * @param {HTMLElement} list @param {HTMLElement} spoken a live region
   * @param {HTMLElement} soFar says how many distinct objects there were
   */
  constructor(list, spoken, soFar) {
    this.#list = list;
    this.#spoken = spoken;
    this.#soFar = soFar;
    this.clear();
  }

  /** @param {import("../wire/findings.js").Findings} findings */
  show(findings) {
    const now = performance.now();
    clearTimeout(this.#later);
    if (now - this.#shownAt < LOOK_MS) {
      this.#later = setTimeout(() => this.show(findings), LOOK_MS); // there may be no other for a while
      return;
    }
    this.#shownAt = now;
    this.#showSoFar(seen(findings));
    const entries = summary(findings);
    const texts = entries.map((e) => (e.count ? several(e.count, e.name) : `${className(e.name)} ${areaInWords(e.share)}`));
    const text = texts.join(", ") || t`Nothing found`;
    if (text === this.#shown) return;
    this.#shown = text;
    const items = entries.map((entry, i) => {
      const dot = make("span", { class: "dot" });
      const [r, g, b] = color(entry.class_id);
      dot.style.backgroundColor = `rgb(${r} ${g} ${b})`;
      return make("li", {}, dot, texts[i] ?? "");
    });
    this.#list.replaceChildren(...(items.length ? items : [make("li", { class: "none" }, t`Nothing found`)]));
    // Shares change with every picture. Only the classes are worth saying.
    const words = entries.map((e) => (e.count ? several(e.count, e.name) : className(e.name))).join(", ") || t`Nothing found`;
    if (now - this.#spokenAt < SPEAK_MS) return;
    this.#spokenAt = now;
    setText(this.#spoken, words);
  }

  /** @param {[string, number][]} counts by class */
  #showSoFar(counts) {
    this.#soFar.hidden = !counts.length;
    setText(this.#soFar, t`So far: ${counts.map(([name, n]) => several(n, name)).join(", ")}`);
  }

  clear() {
    clearTimeout(this.#later);
    this.#showSoFar([]);
    this.#shown = "";
    this.#shownAt = -Infinity;
    this.#list.replaceChildren(make("li", { class: "none" }, t`Nothing right now`));
    setText(this.#spoken, "");
  }
}
