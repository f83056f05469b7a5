/** The picture that floats over a strip, of the moment under the pointer. One is asked for at a time; the newest counts. */

import { make, setText } from "../../lib/dom.js";
import { thumbnailOf } from "../../wire/recordings.js";
import { momentInWords } from "./words.js";

const WIDTH = 200;

export class Preview {
  #image = make("img", { alt: "", width: String(WIDTH) });
  #time = make("p");
  #words = make("p", { class: "preview-words" });
  #place;
  #busy = false;
  /** Address of the picture that is wanted next; "" for none. */
  #next = "";

  /** @param {HTMLElement} place in which it floats */
  constructor(place) {
    this.#place = place;
    place.replaceChildren(this.#image, this.#time, this.#words);
    place.hidden = true;
  }

  /**
   * @param {string} stream @param {number} at @param {number} step seconds within which pictures count as the same
   * @param {string} words why there is none, or what happens then
   * @param {boolean} recorded
   */
  show(stream, at, step, words, recorded) {
    this.#place.hidden = false;
    setText(this.#time, momentInWords(at));
    setText(this.#words, words);
    this.#image.hidden = !recorded;
    this.#next = recorded ? thumbnailOf(stream, Math.floor(at / step) * step, WIDTH) : "";
    void this.#load();
  }

  /** Put it over a place of the window, all within it. @param {number} x @param {number} top */
  put(x, top) {
    const width = this.#place.offsetWidth || WIDTH;
    const left = Math.min(Math.max(4, x - width / 2), innerWidth - width - 4);
    this.#place.style.left = `${left}px`;
    this.#place.style.bottom = `${innerHeight - top + 8}px`;
  }

  hide() {
    this.#place.hidden = true;
    this.#next = "";
  }

  async #load() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next) {
      const address = this.#next;
      this.#next = "";
      const image = new Image();
      image.src = address;
      await image.decode().then(() => (this.#image.src = address), () => {});
    }
    this.#busy = false;
  }
}
