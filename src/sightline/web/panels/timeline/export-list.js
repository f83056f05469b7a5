/** The exports that the server makes or has: how far they are, to be fetched and removed. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { Newest } from "../../lib/newest.js";
import { askExports, dropExport } from "../../wire/exports.js";
import { may, whoAmI } from "../../wire/session.js";
import { makeShare } from "../../wire/shares.js";
import { duration } from "../events/words.js";
import { exportInWords } from "./export-words.js";
import { bytesInWords, momentInWords } from "./words.js";

/** @typedef {import("../../wire/exports.js").Export} Export */

const LOOK_MS = 500;

export class ExportList {
  element = make("ul", { class: "exports", "aria-label": t`Exports` });
  #onproblem;
  #nameOf;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #shown = "";
  /** @type {Export[]} */
  #exports = [];
  /** Links that were made here, by their exports. @type {Map<string, string>} */
  #links = new Map();
  #newest = new Newest();
  #away = false;
  /** @type {import("../../wire/session.js").Session | null} */
  #session = null;

  /** @param {(stream: string) => string} nameOf @param {(problem: string) => void} onproblem */
  constructor(nameOf, onproblem) {
    this.#nameOf = nameOf;
    this.#onproblem = onproblem;
  }

  /** Ask the server, and go on asking while something is made. */
  async refresh() {
    clearTimeout(this.#timer);
    this.#session ??= await whoAmI();
    const asked = this.#newest.ask();
    const { body, refused } = await askExports();
    if (!this.#newest.takes(asked)) return;
    clearTimeout(this.#timer);
    if (body) this.#show(body.exports);
    if (refused || this.#away) this.#onproblem(refused ? refused.message || t`The server does not answer.` : "");
    this.#away = refused !== null;
    if (refused || body.exports.some((one) => isUnfinished(one))) this.#timer = setTimeout(() => void this.refresh(), LOOK_MS);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#newest.changed(); // an answer that is under way starts it no more
  }

  /** @param {Export[]} exports */
  #show(exports) {
    const said = JSON.stringify(exports);
    if (said === this.#shown) return;
    this.#shown = said;
    this.#exports = exports;
    const focused = document.activeElement instanceof HTMLElement && this.element.contains(document.activeElement) ? document.activeElement.dataset["of"] : "";
    this.element.replaceChildren(...exports.map((one) => this.#row(one)));
    for (const one of this.element.querySelectorAll("[data-of]")) if (focused && one instanceof HTMLElement && one.dataset["of"] === focused) one.focus();
  }

  /** @param {Export} one */
  #row(one) {
    const { id, stream, from, to, state, progress, bytes, why, file } = one;
    const title = `${this.#nameOf(stream)}, ${momentInWords(from)}, ${duration(to - from)}`;
    const words = make("p", { class: "export-words" }, make("span", { class: "export-title" }, title), make("span", { class: "hint" }, exportInWords(one)));
    if (why) words.append(make("span", { class: state === "failed" ? "problem" : "hint" }, why));
    const row = make("li", { class: "export-row", "data-state": state, "data-id": id }, words);
    if (state === "running") row.append(make("progress", { max: "1", value: String(progress), "aria-label": t`Progress of ${title}` }));
    const fetching = t`Download, ${bytesInWords(bytes)}`;
    if (file) row.append(make("a", { class: "button", href: file, download: "", "data-of": `file ${id}`, "aria-label": `${fetching}: ${title}` }, fetching));
    if (file && may(this.#session, "admin", stream)) row.append(this.#sharing(one, title));
    const word = isUnfinished(one) ? t`Cancel` : t`Remove`;
    const drop = make("button", { type: "button", class: "button quiet", "data-of": `drop ${id}`, "aria-label": `${word} ${title}` }, word);
    drop.addEventListener("click", async () => {
      drop.disabled = true;
      const { refused } = await dropExport(id);
      drop.disabled = false;
      this.#newest.changed();
      if (refused && refused.status !== 404) this.#onproblem(refused.message || t`The server does not answer.`);
      await this.refresh();
    });
    row.append(drop);
    return row;
  }

  /** A button that gives way to the link. @param {Export} one @param {string} title */
  #sharing({ id, stream, from, to }, title) {
    const link = this.#links.get(id);
    if (link) {
      const about = t`Link to ${title}, good for 7 days`;
      const field = make("input", { readonly: "", "aria-label": about, title: about, "data-of": `share ${id}` });
      field.value = link;
      field.addEventListener("focus", () => field.select());
      return field;
    }
    const button = make("button", { type: "button", class: "button quiet", "data-of": `share ${id}`, "aria-label": t`Share ${title}` }, t`Share`);
    button.addEventListener("click", async () => {
      button.disabled = true;
      const { body, refused } = await makeShare(stream, { from, to, export: id });
      button.disabled = false;
      if (refused) return this.#onproblem(refused.message || t`The server does not answer.`);
      this.#links.set(id, `${location.origin}${body.path}`);
      this.#shown = ""; // the row is made anew, also where that happened meanwhile
      this.#show(this.#exports);
      const field = this.element.querySelector(`input[data-of="share ${id}"]`);
      if (field instanceof HTMLElement) field.focus();
    });
    return button;
  }
}

/** @param {Export} one */
function isUnfinished({ state }) {
  return state === "waiting" || state === "running";
}
