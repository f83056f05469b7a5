/** Chooses a part of a recording and has the server make a file of it. Loaded once somebody wants to. */

import { make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { makeExport } from "../../wire/exports.js";
import { duration } from "../events/words.js";
import { ExportList } from "./export-list.js";
import { EVERY, FORMATS, KINDS, SPEEDS } from "./export-words.js";
import { Range } from "./range.js";
import { momentInWords } from "./words.js";

/**
 * @typedef {{stream: string, at: number, strip: import("./strip.js").Strip | undefined, span: import("./scale.js").Span,
 *   mode: string, opacity: number, hidden: string[]}} Here what the page shows; stream "" for none
 * @typedef {{here: () => Here, seek: (stream: string, at: number) => void, nameOf: (stream: string) => string,
 *   onclose: () => void}} Page
 */

/** Share of the strip that is chosen at first, and the longest time. */
const SHARE = 0.1;
const FIRST_S = 60;
const SEEK_MS = 100;

export class ExportPanel {
  #page;
  #place;
  #list;
  #range = new Range((at, done) => this.#changed(at, done), (at) => this.#page.seek(this.#page.here().stream, at));
  #soughtAt = 0;
  #from = make("output", { class: "export-time" });
  #to = make("output", { class: "export-time" });
  #length = make("output", { class: "hint" });
  #format = choice(t`Format`, FORMATS);
  #kind = choice(t`Picture`, KINDS);
  #speed = choice(t`Speed`, SPEEDS);
  #every = choice(t`How many pictures`, EVERY);
  #go = make("button", { type: "submit", class: "button main" }, t`Export`);
  #problem = make("p", { class: "problem", role: "alert" });
  /** Whether the server is being asked for one. */
  #busy = false;

  /** @param {HTMLElement} place @param {Page} page */
  constructor(place, page) {
    this.#place = place;
    this.#page = page;
    this.#list = new ExportList(page.nameOf, (problem) => setText(this.#problem, problem));
    const button = (/** @type {string} */ text, /** @type {string} */ title, /** @type {() => void} */ run, more = "") => {
      const made = make("button", { type: "button", class: `button ${more}`, title }, text);
      made.addEventListener("click", run);
      return made;
    };
    const times = make(
      "div",
      { class: "export-times" },
      ...[button(t`From here`, t`From the picture that is shown ([)`, () => this.mark("from")), this.#from],
      ...[button(t`To here`, t`To the picture that is shown (])`, () => this.mark("to")), this.#to, this.#length],
    );
    const close = button(t`Close`, t`Close (E)`, page.onclose, "quiet");
    const form = make("form", { class: "export-form" }, times, make("div", { class: "export-how" }, this.#format, this.#kind, this.#speed, this.#every, this.#go, close));
    this.#every.value = "1";
    this.#format.addEventListener("change", () => this.update());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#make();
    });
    place.replaceChildren(form, this.#problem, this.#list.element);
  }

  open() {
    const { at, span } = this.#page.here();
    const { from, to } = this.#range.chosen;
    if (!(from < span.to && to > span.from)) {
      const length = Math.min(FIRST_S, (span.to - span.from) * SHARE);
      const begin = at >= span.from && at <= span.to ? at : (span.from + span.to) / 2;
      const to = Math.min(begin + length, span.to); // what shows live is the end, and nothing comes after it
      this.#range.chosen = { from: to - length, to };
    }
    this.#place.hidden = false;
    this.update();
    void this.#list.refresh();
  }

  close() {
    this.#place.hidden = true;
    this.#range.element.remove();
    this.#list.stop();
  }

  /** Put an edge at the picture that is shown. @param {import("./range.js").Edge} edge */
  mark(edge) {
    const { at } = this.#page.here();
    if (!Number.isFinite(at)) return;
    this.#range.set(edge, at, FIRST_S);
    this.update();
  }

  /** The page shows other times, or another stream. */
  update() {
    if (this.#place.hidden) return;
    const { stream, strip, span } = this.#page.here();
    if (strip && this.#range.element.parentElement !== strip.element) strip.element.append(this.#range.element);
    if (!strip) this.#range.element.remove();
    this.#range.show(span);
    const { from, to } = this.#range.chosen;
    setText(this.#from, momentInWords(from));
    setText(this.#to, momentInWords(to));
    setText(this.#length, duration(to - from));
    const pictures = this.#format.value === "pictures";
    this.#speed.hidden = pictures;
    this.#every.hidden = !pictures;
    this.#go.disabled = this.#busy || !stream || to - from <= 0;
  }

  /** @param {number} at @param {boolean} done */
  #changed(at, done) {
    const now = performance.now();
    if (done || now - this.#soughtAt > SEEK_MS) {
      this.#soughtAt = now;
      this.#page.seek(this.#page.here().stream, at);
    }
    this.update();
  }

  async #make() {
    const { stream, mode, opacity, hidden } = this.#page.here();
    const { from, to } = this.#range.chosen;
    const kind = /** @type {import("../../wire/exports.js").Kind} */ (this.#kind.value);
    const format = /** @type {import("../../wire/exports.js").Format} */ (this.#format.value);
    const speed = format === "pictures" ? 1 : Number(this.#speed.value);
    const how = { kind, mode, opacity: Math.round(opacity * 100), format, speed, every_s: Number(this.#every.value), hidden };
    setText(this.#problem, "");
    this.#go.disabled = this.#busy = true;
    const { refused } = await makeExport(stream, { from, to, ...how });
    this.#busy = false;
    this.update();
    if (refused) setText(this.#problem, refused.message ? t`It can't be exported: ${refused.message}.` : t`The server does not answer.`);
    await this.#list.refresh();
  }
}

/** @param {string} name @param {[string | number, string][]} offers */
function choice(name, offers) {
  return make("select", { "aria-label": name, title: name }, ...offers.map(([value, text]) => make("option", { value: `${value}` }, text)));
}
