/** The list of cards, with a heading above each group. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

export class CardList {
  element;
  /** @type {Map<string, HTMLElement>} */
  #headings = new Map();

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  /**
   * Show these groups and nothing else. What stands where it should is left alone.
   *
   * @param {import("./arrange.js").Group[]} groups @param {(stream: string) => HTMLElement | undefined} cardOf
   */
  show(groups, cardOf) {
    const wanted = groups.flatMap(({ name, streams }) => {
      const cards = streams.map((stats) => cardOf(stats.name)).filter((card) => card !== undefined);
      return name ? [this.#heading(name, streams), ...cards] : cards;
    });
    let next = this.element.firstElementChild;
    for (const element of wanted) {
      if (element === next) next = next.nextElementSibling;
      else this.element.insertBefore(element, next);
    }
    while (next) {
      const gone = next;
      next = next.nextElementSibling;
      gone.remove();
    }
  }

  /** @param {string} name @param {{name: string}[]} streams */
  #heading(name, streams) {
    const link = /** @type {HTMLAnchorElement | null | undefined} */ (this.#headings.get(name)?.querySelector("a"));
    const wall = link ?? make("a", { class: "button quiet", "aria-label": t`Wall of ${name}` }, icon("grid"), t`Wall`);
    const href = `/wall?streams=${streams.map((stats) => stats.name).join(",")}`;
    if (wall.getAttribute("href") !== href) wall.setAttribute("href", href);
    const heading = this.#headings.get(name) ?? make("li", { class: "group", "data-name": name }, make("h2", {}, name), wall);
    this.#headings.set(name, heading);
    return heading;
  }
}
