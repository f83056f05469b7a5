/** Finds when a class was seen, and shows it as pictures. */

import { make, setText } from "../../lib/dom.js";
import { plural, several } from "../../lib/format.js";
import { classMeant, className, t } from "../../lib/i18n.js";
import { addressOf } from "../../wire/events.js";
import { askFound, thumbnailOf } from "../../wire/recordings.js";
import { byId } from "../page.js";
import { optionsOf, placesOf } from "./places.js";
import { DAY } from "./scale.js";
import { momentInWords } from "./words.js";

/** @typedef {import("../../wire/recordings.js").Found} Found */

const PAGE = 24;
const WIDTH = 240;
const AGAIN_MS = 5_000;

export class Search {
  #form = byId("find", HTMLFormElement);
  #class = byId("find-class", HTMLInputElement);
  #place = byId("find-place", HTMLSelectElement);
  #when = byId("find-when", HTMLSelectElement);
  #list = byId("find-list", HTMLUListElement);
  #words = byId("find-words", HTMLElement);
  #more = byId("find-more", HTMLButtonElement);
  #known = byId("find-known", HTMLDataListElement);
  /** Classes that are offered. @type {string[]} */
  #names = [];
  #where;
  #onpick;
  #query = new URLSearchParams();
  /** Stream whose places are offered. @type {string | null} */
  #offered = null;
  /** Number of the newest search: answers to earlier ones come too late. */
  #asked = 0;

  /**
   * @param {() => {stream: string, span: import("./scale.js").Span}} where one looks; stream "" for all
   * @param {(stream: string, at: number) => void} onpick
   */
  constructor(where, onpick) {
    this.#where = where;
    this.#onpick = onpick;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#begin();
    });
    this.#more.addEventListener("click", () => void this.#go());
  }

  /** Offer classes. @param {Iterable<string>} names */
  suggest(names) {
    void this.#offer();
    const all = [...new Set(names)].sort();
    if (all.join("\n") === this.#names.join("\n")) return;
    this.#names = all;
    this.#known.replaceChildren(...all.map((name) => make("option", { value: className(name) })));
  }

  async #offer() {
    const { stream } = this.#where();
    if (stream === this.#offered) return;
    this.#offered = stream;
    const places = await placesOf(stream);
    if (stream !== this.#offered) return;
    if (!places) {
      setTimeout(() => (this.#offered = null), AGAIN_MS); // asked again with what is drawn next
      return;
    }
    const chosen = this.#place.value;
    this.#place.replaceChildren(...optionsOf(places));
    if ([...this.#place.options].some((one) => one.value === chosen)) this.#place.value = chosen;
  }

  #begin() {
    const name = classMeant(this.#class.value.trim(), this.#names);
    const place = Object.fromEntries(new URLSearchParams(this.#place.value));
    if (!name && !this.#place.value) {
      setText(this.#words, t`Write what to look for, such as person, or choose where.`);
      this.#class.focus();
      return;
    }
    const { stream, span } = this.#where();
    const now = Date.now() / 1000;
    const days = Number(this.#when.value);
    const { from, to } = days < 0 ? { from: 0, to: now } : days ? { from: now - days * DAY, to: now } : span;
    this.#query = new URLSearchParams({ ...(name && { class: name }), ...place, from: `${from}`, to: `${to}`, limit: `${PAGE}`, ...(stream && { stream }) });
    this.#list.replaceChildren();
    void this.#go();
  }

  async #go() {
    const asked = (this.#asked += 1);
    this.#more.hidden = true;
    setText(this.#words, t`Looking …`);
    const { body, refused } = await askFound(this.#query);
    if (asked !== this.#asked) return;
    if (!body) {
      setText(this.#words, refused.message ? t`It could not be looked for: ${refused.message}.` : t`The server does not answer.`);
      return;
    }
    this.#list.append(...body.found.map((one) => this.#row(one)));
    const count = this.#list.children.length;
    setText(this.#words, count ? `${plural(count, "moment")}${body.next ? t`, and there are more.` : "."}` : t`Nothing was found then.`);
    if (body.next) this.#query.set("before", body.next);
    this.#more.hidden = !body.next;
  }

  /** @param {Found} one */
  #row({ stream, at, class_name, count, zone, rule, event, recorded }) {
    const src = recorded ? thumbnailOf(stream, at, WIDTH) : addressOf(event, "/crop.jpg");
    const image = make("img", { src, alt: "", loading: "lazy", width: "120", height: "68" });
    const all = !this.#query.get("stream");
    const what = class_name ? [several(count, class_name)] : [];
    const words = [...what, rule, zone, momentInWords(at), all ? stream : "", recorded ? "" : t`not recorded`].filter(Boolean).join(", ");
    if (!recorded) return make("li", {}, make("a", { class: "found", href: `/events?event=${event}` }, image, make("span", {}, words)));
    const button = make("button", { type: "button", class: "found" }, image, make("span", {}, words));
    button.addEventListener("click", () => this.#onpick(stream, at));
    return make("li", {}, button);
  }
}
