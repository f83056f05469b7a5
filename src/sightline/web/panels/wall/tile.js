/** One stream on the wall: its picture, its name, and what is wrong where something is. */

import { make, setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

/** @type {Record<string, string>} */
const STATES = { waiting: t`the camera is off`, reconnecting: t`reconnecting`, paused: t`paused`, missing: t`no such stream` };

export class Tile {
  element;
  #canvas = make("canvas");
  #name = make("span", { class: "tile-name" });
  #state = make("span", { class: "tile-state" });

  /** @param {string} stream */
  constructor(stream) {
    this.element = make("a", { class: "tile", href: `/view/${stream}`, "data-stream": stream });
    this.element.append(this.#canvas, make("span", { class: "tile-words" }, this.#name, this.#state));
    setText(this.#name, stream);
  }

  /** @param {ImageBitmap} picture which the tile owns from then on */
  draw(picture) {
    this.#canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(picture);
    setData(this.element, "drawn", "true");
  }

  /** @param {string} name for people @param {string} state of the stream; `missing` where there is none, `away` without a server */
  tell(name, state) {
    setText(this.#name, name);
    setText(this.#state, STATES[state] ?? "");
    setData(this.element, "state", state);
  }
}
