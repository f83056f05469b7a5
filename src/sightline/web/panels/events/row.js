/** A happening in the list: its picture, what it was, when and where. */

import { icon, make, setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { addressOf } from "../../wire/events.js";
import { nameOf } from "../../wire/stream-names.js";
import { ago, clock, exactly, inWords, isLasting } from "./words.js";

/** @typedef {import("../../wire/events.js").Happening} Happening */

/** Icons in place of pictures. @type {Record<string, string>} */
const ICONS = { scene: "off", stream: "off", rule: "events", line: "flip" };

export class Row {
  element;
  link;
  #image = make("img", { alt: "", width: "112", height: "84", loading: "lazy", decoding: "async", hidden: "" });
  #what = make("span", { class: "event-what" });
  #time = make("time");
  #clock = make("span");
  #stream = make("span");
  #now = make("span", { class: "pill", "data-kind": "good" }, t`Now`);
  /** @type {Happening} */
  #one;

  /** @param {Happening} one @param {string} href @param {number} now seconds since 1970 */
  constructor(one, href, now) {
    this.#one = one;
    const picture = make("span", { class: "crop" }, icon(ICONS[one.kind] ?? "eye"), this.#image);
    const about = make("span", { class: "event-about" }, this.#time, this.#clock, this.#stream);
    const words = make("span", { class: "event-words" }, this.#what, about);
    this.link = make("a", { class: "event-link", href, "data-event": one.id }, picture, words, this.#now);
    this.element = make("li", { class: "event", "data-id": one.id }, this.link);
    this.#image.addEventListener("load", () => (this.#image.hidden = false));
    this.#image.addEventListener("error", () => (this.#image.hidden = true));
    this.#time.dateTime = new Date(one.started_at * 1000).toISOString();
    this.#time.title = exactly(one.started_at);
    setText(this.#clock, clock(one.started_at));
    this.show(one, now);
  }

  get one() {
    return this.#one;
  }

  /** @param {Happening} one @param {number} now @param {number} version of its picture, 0 for the one that is there */
  show(one, now, version = 0) {
    this.#one = one;
    this.tell(now);
    this.#picture(one, version);
  }

  /** Say how long ago it was, and for how long. @param {number} now */
  tell(now) {
    const lasting = isLasting(this.#one);
    setText(this.#what, inWords(this.#one, now));
    setText(this.#time, ago(this.#one.started_at, now));
    setText(this.#stream, nameOf(this.#one.stream));
    setData(this.element, "lasting", String(lasting));
    this.#now.hidden = !lasting;
  }

  /** @param {Happening} one @param {number} version */
  #picture({ id, snapshot }, version) {
    if (!snapshot || (this.#image.src && !version)) return;
    this.#image.hidden = false; // a hidden one is never near enough to be loaded
    this.#image.src = addressOf(id, `/crop.jpg${version ? `?n=${version}` : ""}`);
  }
}
