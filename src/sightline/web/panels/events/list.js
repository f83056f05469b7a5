/** The list of happenings by day, with the keyboard's place in it. */

import { make } from "../../lib/dom.js";
import { Row } from "./row.js";
import { dayInWords, dayOf, isLasting } from "./words.js";

/**
 * @typedef {import("../../wire/events.js").Happening} Happening
 * @typedef {import("./place.js").Place} Place
 */

export class EventList {
  #place;
  #address;
  #open;
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /**
   * @param {HTMLElement} place @param {(id: string) => string} address of the page with that one open
   * @param {(id: string) => void} open
   */
  constructor(place, address, open) {
    this.#place = place;
    this.#address = address;
    this.#open = open;
    place.addEventListener("click", (event) => {
      const link = event.target instanceof Element ? event.target.closest("a[data-event]") : null;
      if (!(link instanceof HTMLElement) || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.#open(link.dataset["event"] ?? "");
    });
  }

  get size() {
    return this.#rows.size;
  }

  /** @param {readonly Happening[]} list newest first @param {number} now */
  append(list, now) {
    for (const one of list) {
      const day = this.#place.lastElementChild;
      const section = isDay(day, one) ? day : this.#section(one, now);
      if (section !== day) this.#place.append(section);
      section.lastElementChild?.append(this.#row(one, now));
    }
  }

  /** @param {readonly Happening[]} list newest first @param {number} now */
  prepend(list, now) {
    for (const one of [...list].reverse()) {
      const day = this.#place.firstElementChild;
      const section = isDay(day, one) ? day : this.#section(one, now);
      if (section !== day) this.#place.prepend(section);
      section.lastElementChild?.prepend(this.#row(one, now));
    }
  }

  /** @param {Happening} one @param {number} now @param {number} version of its picture, 0 for the one that is there */
  update(one, now, version) {
    this.#rows.get(one.id)?.show(one, now, version);
  }

  /** Leave one out; the focus goes to its neighbour. @param {string} id */
  remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    const section = row.element.closest("section");
    this.#rows.delete(id);
    row.element.remove();
    if (!section?.querySelector("li")) section?.remove();
  }

  clear() {
    this.#rows.clear();
    this.#place.replaceChildren();
  }

  /** Let the times go on: of what lasts or is told in seconds, or of all. @param {number} now @param {boolean} all */
  tick(now, all) {
    for (const row of this.#rows.values()) if (all || isLasting(row.one) || now - row.one.started_at < 90) row.tell(now);
  }

  /** Go up or down by the keyboard. @param {number} by */
  move(by) {
    const links = [...this.#rows.values()].map((row) => row.link);
    const ordered = links.sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_PRECEDING ? 1 : -1));
    const at = ordered.findIndex((link) => link === document.activeElement);
    const next = at < 0 ? this.#firstSeen(ordered) : ordered[Math.min(ordered.length - 1, Math.max(0, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  }

  /** Go to a row, which is in sight then. @param {string} id "" for the first */
  focus(id) {
    const link = id ? this.#rows.get(id)?.link : this.#place.querySelector("a");
    link?.focus({ preventScroll: true });
    if (id) link?.scrollIntoView({ block: "nearest" });
  }

  /** The first row that is in sight. @returns {Place | null} */
  get place() {
    const link = this.#firstSeen([...this.#place.querySelectorAll("a")]);
    return link ? { id: link.dataset["event"] ?? "", top: Math.round(link.getBoundingClientRect().top) } : null;
  }

  /** Scroll so that a row is where it was. Returns false if there is no such row. @param {Place} place */
  restore({ id, top }) {
    const link = this.#rows.get(id)?.link;
    if (!link) return false;
    window.scrollBy({ top: link.getBoundingClientRect().top - top, behavior: "instant" });
    return true;
  }

  /** @param {HTMLAnchorElement[]} links */
  #firstSeen(links) {
    return links.find((link) => link.getBoundingClientRect().bottom > TOP);
  }

  /** @param {Happening} one @param {number} now */
  #section(one, now) {
    const heading = make("h2", {}, dayInWords(one.started_at, now));
    return make("section", { "data-day": dayOf(one.started_at) }, heading, make("ul"));
  }

  /** @param {Happening} one @param {number} now */
  #row(one, now) {
    const row = new Row(one, this.#address(one.id), now);
    this.#rows.set(one.id, row);
    return row.element;
  }
}

/** Height of what lies over the list's upper edge. */
const TOP = 48;

/** @param {Element | null} section @param {Happening} one @returns {section is HTMLElement} */
function isDay(section, one) {
  return section instanceof HTMLElement && section.dataset["day"] === dayOf(one.started_at);
}
