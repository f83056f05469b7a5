/** Keeps the cards' thumbnails fresh, with one request at a time, only for cards that can be seen. */

const EVERY_MS = 2_000;
const GIVE_UP_MS = 5_000;

export class Thumbnails {
  /** @type {Map<Element, import("./cards.js").Card>} */
  #visible = new Map();
  /** @type {Map<Element, import("./cards.js").Card>} */
  #all = new Map();
  /** @type {WeakMap<Element, {at: number, received: number}>} */
  #last = new WeakMap();
  #observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const card = this.#all.get(target);
      if (card && isIntersecting) this.#visible.set(target, card);
      else this.#visible.delete(target);
    }
  });

  constructor() {
    void this.#run();
  }

  /** @param {import("./cards.js").Card} card */
  add(card) {
    this.#all.set(card.element, card);
    this.#observer.observe(card.element);
  }

  /** @param {import("./cards.js").Card} card */
  remove(card) {
    this.#observer.unobserve(card.element);
    this.#all.delete(card.element);
    this.#visible.delete(card.element);
    if (card.image.src) URL.revokeObjectURL(card.image.src);
  }

  async #run() {
    for (;;) {
      const card = document.hidden ? undefined : this.#due();
      if (card) await this.#refresh(card);
      else await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  /** The card whose picture is oldest, if it is old enough and there is a newer one. */
  #due() {
    const now = performance.now();
    let oldest;
    let oldestAt = now - EVERY_MS;
    for (const [element, card] of this.#visible) {
      if (card.live) continue;
      const last = this.#last.get(element) ?? { at: -EVERY_MS, received: 0 };
      if (card.stats.received !== last.received && last.at <= oldestAt) {
        oldest = card;
        oldestAt = last.at;
      }
    }
    return oldest;
  }

  /** @param {import("./cards.js").Card} card */
  async #refresh(card) {
    this.#last.set(card.element, { at: performance.now(), received: card.stats.received });
    try {
      const signal = AbortSignal.timeout(GIVE_UP_MS);
      const response = await fetch(`/api/streams/${card.stats.name}/thumbnail.jpg`, { signal });
      if (response.status !== 200) return;
      await swap(card.image, URL.createObjectURL(await response.blob()));
      card.showStill();
      if (!this.#all.has(card.element)) URL.revokeObjectURL(card.image.src); // the card went meanwhile
    } catch {
      // The list of streams says what is wrong; the old picture stays until then.
    }
  }
}

/**
 * Replace a picture once the new one is decoded, so that nothing flickers.
 *
 * @param {HTMLImageElement} image @param {string} url
 */
async function swap(image, url) {
  const next = new Image();
  next.src = url;
  try {
    await next.decode();
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
  const old = image.src;
  image.src = url;
  image.hidden = false;
  if (old) URL.revokeObjectURL(old);
}
