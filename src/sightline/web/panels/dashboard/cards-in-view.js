/** Live pictures of those cards that can be seen, as long as the page can be seen. */

import { TileFeeds } from "../../wire/tiles.js";

/** Cards come and go while somebody scrolls. */
const SETTLED_MS = 150;
/** No card needs more. */
const MOST_PIXELS = 640;

export class CardsInView {
  /** @type {Map<Element, import("../cards.js").Card>} */
  #cards = new Map();
  /** @type {Map<string, import("../cards.js").Card>} */
  #visible = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {(stream: string) => boolean} */
  #may;
  #feed = new TileFeeds({
    onpicture: (stream, picture) => {
      const card = this.#visible.get(stream);
      if (card) card.showLive(picture);
      else picture.close();
    },
    onphase: (phase, hub) => {
      if (phase === "open") return;
      for (const card of this.#cards.values()) if ((card.stats.hub ?? "") === hub) card.endLive();
    },
  });
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const card = this.#cards.get(target);
      if (card && isIntersecting) this.#visible.set(card.stats.name, card);
      else if (card) this.#visible.delete(card.stats.name);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.update(), SETTLED_MS);
  });

  /** @param {(stream: string) => boolean} may whether this browser may view a stream */
  constructor(may) {
    this.#may = may;
    document.addEventListener("visibilitychange", () => this.update());
  }

  /** @param {import("../cards.js").Card} card */
  add(card) {
    this.#cards.set(card.element, card);
    this.#observer.observe(card.element);
  }

  /** @param {import("../cards.js").Card} card */
  remove(card) {
    this.#observer.unobserve(card.element);
    this.#cards.delete(card.element);
    this.#visible.delete(card.stats.name);
  }

  /** Ask for the pictures that can be seen now. */
  update() {
    const shown = document.hidden ? [] : [...this.#visible.values()].filter((card) => this.#hasPictures(card));
    const width = Math.max(0, ...shown.map((card) => card.element.clientWidth)) * devicePixelRatio;
    const streams = shown.map((card) => card.stats).sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#feed.choose(streams, Math.min(width, MOST_PIXELS));
  }

  /** @param {import("../cards.js").Card} card */
  #hasPictures({ stats }) {
    return stats.state === "live" && stats.detect && this.#may(stats.name);
  }
}
