/** The happenings on the page and those that came meanwhile, newest first. Pure. */

import { told } from "../../wire/events.js";

/**
 * @typedef {import("../../wire/events.js").Happening} Happening
 * @typedef {import("../../wire/events.js").EventMessage} EventMessage
 */

/** New ones that are kept until somebody wants to see them. With more the list is asked for anew. */
export const MOST_WAITING = 200;

export class History {
  /** @type {Map<string, Happening>} */
  #known = new Map();
  /** Ids on the page. @type {string[]} */
  #shown = [];
  /** Ids of those that came meanwhile. @type {string[]} */
  #waiting = [];
  /** Ids that were deleted here, which must not come back with an answer that is under way. @type {Set<string>} */
  #deleted = new Set();
  /** True if more came than are kept. */
  overflown = false;

  /** Those on the page, newest first. @returns {Happening[]} */
  get shown() {
    return this.#list(this.#shown);
  }

  /** Number of those that came meanwhile. */
  get waiting() {
    return this.#waiting.length;
  }

  /** @param {string} id */
  find(id) {
    return this.#known.get(id);
  }

  /** Forget all. */
  clear() {
    this.#known.clear();
    this.#shown = [];
    this.#waiting = [];
    this.overflown = false;
  }

  /**
   * Note older ones, as the server lists them. Returns those that are new here, to be put below the others.
   *
   * @param {readonly Happening[]} list newest first
   */
  addOlder(list) {
    const fresh = list.filter((one) => !this.#knows(one.id));
    for (const one of fresh) this.#known.set(one.id, one);
    this.#shown.push(...fresh.map((one) => one.id));
    return fresh;
  }

  /**
   * Note the newest, as the server lists them now. Returns those on the page that have changed.
   *
   * @param {readonly Happening[]} list newest first
   */
  addNewest(list) {
    const changed = [];
    for (const one of [...list].reverse()) {
      const before = this.#known.get(one.id);
      if (before) {
        const now = this.note(one);
        if (this.#shown.includes(one.id) && JSON.stringify(before) !== JSON.stringify(now)) changed.push(now);
      } else if (!this.#deleted.has(one.id)) this.#wait(one);
    }
    return changed;
  }

  /**
   * Note one as the server had it. Returns it as it is known: its end may have been told meanwhile.
   *
   * @param {Happening} one
   */
  note(one) {
    const before = this.#known.get(one.id);
    if (!before) return one;
    if (before.ended_at !== null && one.ended_at === null) return before;
    this.#known.set(one.id, one);
    return one;
  }

  /**
   * Note what the server told. Returns the happening if it is on the page.
   *
   * @param {EventMessage} message @param {(one: Happening) => boolean} wanted whether it is of those to be listed
   */
  take(message, wanted) {
    const before = this.#known.get(message.id);
    if (before && message.phase === "start") return null; // it is known from the list
    if (before?.ended_at != null && message.phase !== "update") return null;
    const one = told(message, before);
    if (before) {
      this.#known.set(one.id, one);
      return this.#waiting.includes(one.id) ? null : one;
    }
    if (message.phase === "start" && !this.#deleted.has(one.id) && wanted(one)) this.#wait(one);
    return null;
  }

  /** Put those that came meanwhile on the page. Returns them, newest first. */
  reveal() {
    const ids = this.#waiting;
    this.#waiting = [];
    this.#shown.unshift(...ids);
    return this.#list(ids);
  }

  /** Leave one out from now on. @param {string} id */
  remove(id) {
    this.#deleted.add(id);
    this.#known.delete(id);
    this.#shown = this.#shown.filter((one) => one !== id);
    this.#waiting = this.#waiting.filter((one) => one !== id);
  }

  /** The one that stands so many places below it; none beyond the ends. @param {string} id @param {number} by */
  beside(id, by) {
    const at = this.#shown.indexOf(id);
    return at < 0 ? undefined : this.#known.get(this.#shown[at + by] ?? "");
  }

  /** @param {string} id */
  #knows(id) {
    return this.#known.has(id) || this.#deleted.has(id);
  }

  /** @param {Happening} one */
  #wait(one) {
    this.#known.set(one.id, one);
    this.#waiting.unshift(one.id);
    if (this.#waiting.length <= MOST_WAITING) return;
    this.overflown = true;
    this.#known.delete(this.#waiting.pop() ?? "");
  }

  /** @param {string[]} ids */
  #list(ids) {
    return ids.map((id) => this.#known.get(id)).filter((one) => one !== undefined);
  }
}
