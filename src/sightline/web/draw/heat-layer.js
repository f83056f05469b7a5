/** Where objects have been of late, over the pictures: asked for anew as long as it is shown. */

import { lay } from "./layers.js";

const EVERY_MS = 5_000;
const OPACITY = 0.75;

export class HeatLayer {
  #painter;
  #address;
  /** @type {ImageBitmap | null} */
  #image = null;
  #on = false;
  #askedAt = -Infinity;

  /** @param {import("./painter.js").Painter} painter @param {string} stream */
  constructor(painter, stream) {
    this.#painter = painter;
    this.#address = `/api/streams/${stream}/heatmap.png`;
    painter.overs.add(this.#draw);
  }

  /** @param {boolean} on */
  show(on) {
    this.#on = on;
    this.#askedAt = -Infinity;
    if (!on) this.#take(null);
    this.#painter.repaint();
  }

  /** @type {import("./painter.js").Over} */
  #draw = (context, _picture, place) => {
    if (!this.#on) return;
    if (this.#image) lay(context, this.#image, place, OPACITY);
    if (performance.now() - this.#askedAt > EVERY_MS) void this.#ask();
  };

  async #ask() {
    this.#askedAt = performance.now();
    try {
      const answer = await fetch(this.#address, { cache: "no-store" });
      if (answer.ok && this.#on) this.#take(await createImageBitmap(await answer.blob()));
    } catch {
      // The connection's state tells the person already.
    }
  }

  /** @param {ImageBitmap | null} image */
  #take(image) {
    this.#image?.close();
    this.#image = image;
    if (this.#on) this.#painter.repaint();
  }
}
