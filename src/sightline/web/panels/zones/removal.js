/** Deletes zones and lines after a moment in which it can be undone: what one has counted comes back with it. */

import { keyOf } from "../../draw/zone-layer.js";
import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { removeShape } from "../../wire/zones.js";

/** @typedef {{kind: import("../../wire/zones.js").Kind, name: string, version: string}} Named */
/**
 * @typedef {{onhide: () => void, ondone: () => Promise<void>, onundo: (one: Named) => void}} Events called when others
 *   are hidden; when the server has deleted one, or has not; when one is back
 */

const MOMENT_MS = 8_000;

export class Removal {
  #stream;
  #place;
  #events;
  /** @type {Named | null} */
  #one = null;
  /** Keys of those that are being deleted. @type {Set<string>} */
  #gone = new Set();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Pick<import("./words.js").About, "stream" | "signal">} about @param {HTMLElement} place where it is told, with the way back @param {Events} events */
  constructor({ stream, signal }, place, events) {
    this.#stream = stream;
    this.#place = place;
    this.#events = events;
    addEventListener("pagehide", () => void this.finish(), { signal });
    signal?.addEventListener("abort", () => void this.finish());
  }

  /** Those that are deleted, or about to be. */
  get keys() {
    return [...this.#gone];
  }

  /** @param {string} key */
  has(key) {
    return this.#gone.has(key);
  }

  /** Hide one, and delete it after a moment. @param {Named} one */
  begin(one) {
    void this.finish();
    this.#one = one;
    this.#gone.add(keyOf(one));
    const undo = make("button", { type: "button", class: "button", id: "zones-undo" }, t`Undo`);
    undo.addEventListener("click", () => this.#undo());
    this.#place.replaceChildren(make("p", { class: "hint" }, t`“${one.name}” is deleted.`), undo);
    this.#timer = setTimeout(() => void this.finish(), MOMENT_MS);
    this.#events.onhide();
  }

  /** Delete what waits for it, now. */
  async finish() {
    clearTimeout(this.#timer);
    const one = this.#one;
    if (!one) return;
    this.#one = null;
    this.#place.replaceChildren();
    const answer = await removeShape(this.#stream, one.kind, one.name, one.version);
    await this.#events.ondone();
    this.#gone.delete(keyOf(one));
    this.#events.onhide();
    if (answer.ok) return;
    const problem = make("p", { class: "problem" }, t`“${one.name}” is not deleted. ${answer.message}`);
    if (this.#one) this.#place.prepend(problem); // the way back of the next one stays
    else this.#place.replaceChildren(problem);
  }

  #undo() {
    clearTimeout(this.#timer);
    const one = this.#one;
    if (!one) return;
    this.#one = null;
    this.#gone.delete(keyOf(one));
    this.#place.replaceChildren();
    this.#events.onhide();
    this.#events.onundo(one);
  }
}
