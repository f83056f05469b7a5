/** Asks for the happenings that a person wants to see: the newest, the older ones page by page, and those that come. */

import { t } from "../../lib/i18n.js";
import { askEvent, askEvents } from "../../wire/events.js";
import { matches, toQuery } from "./filters.js";
import { History } from "./history.js";

/**
 * @typedef {import("../../wire/events.js").Happening} Happening
 * @typedef {import("../../wire/events.js").EventMessage} EventMessage
 * @typedef {import("../../wire/events.js").Refused} Refused
 */

const PAGE = 50;
/** Happenings that are asked for one by one. */
const MOST_ASKED = 20;
/** Messages that are kept while a list is under way. */
const MOST_MEANWHILE = 1_000;

export class Feed {
  history = new History();
  /** @type {import("./filters.js").Filters} */
  filters;
  loading = false;
  /** True if the older ones could not be had. */
  failed = false;
  /** Why there is no list. @type {Refused | null} */
  refused = null;
  /** Where the older ones begin; null at the end. @type {string | null} */
  #next = null;
  /** Counts the lists that were begun, so that a late answer to an earlier one is told. */
  #turn = 0;
  /** Lists that are under way. */
  #underway = 0;
  /** What was told since then: the lists may be older. @type {EventMessage[]} */
  #meanwhile = [];
  #ask;
  #askOne;

  /**
   * @param {import("./filters.js").Filters} filters @param {typeof askEvents} ask for a list
   * @param {typeof askEvent} askOne for one
   */
  constructor(filters, ask = askEvents, askOne = askEvent) {
    this.filters = filters;
    this.#ask = ask;
    this.#askOne = askOne;
  }

  /** True if there are older ones. */
  get more() {
    return this.#next !== null;
  }

  /** Begin anew with the newest. Returns them; null if that failed, or another list was begun meanwhile. */
  async begin() {
    const turn = (this.#turn += 1);
    this.loading = true;
    const { body, refused } = await this.#page(null);
    if (turn !== this.#turn) return null;
    this.loading = false;
    this.refused = refused;
    if (!body) return null;
    this.failed = false;
    this.history.clear();
    this.#next = body.next;
    return this.#added(body.events);
  }

  /** The next older ones. None while others are asked for, or at the end. */
  async older() {
    const turn = this.#turn;
    if (this.loading || this.#next === null || this.refused) return [];
    this.loading = true;
    const { body, refused } = await this.#page(this.#next);
    if (turn !== this.#turn) return [];
    this.loading = false;
    this.failed = refused !== null;
    if (!body) return [];
    this.#next = body.next;
    return this.#added(body.events);
  }

  /** Note what a list tells. Returns those that are new here. @param {readonly Happening[]} events */
  #added(events) {
    return this.#caughtUp(this.history.addOlder(events));
  }

  /** What was told while a list was under way, told again. @param {readonly Happening[]} listed @returns {Happening[]} as they are known now */
  #caughtUp(listed) {
    for (const message of this.#meanwhile) this.#note(message);
    return listed.map((one) => this.history.find(one.id) ?? one);
  }

  /** Look what has come or ended since the list was asked for. Returns those on the page that have changed. */
  newest() {
    return this.#during(() => this.#look());
  }

  async #look() {
    const turn = this.#turn;
    const { body } = await this.#page(null);
    if (!body || turn !== this.#turn) return [];
    const listed = new Set(body.events.map((one) => one.id));
    const lasting = this.history.shown.filter((one) => one.ended_at === null && !listed.has(one.id));
    const asked = await Promise.all(lasting.slice(0, MOST_ASKED).map((one) => this.#lookAgain(one)));
    return turn === this.#turn ? this.#caughtUp(this.history.addNewest([...body.events, ...asked])) : [];
  }

  /** @param {Happening} one */
  async #lookAgain(one) {
    const { body, refused } = await this.#askOne(one.id);
    if (refused?.status === 404) return { ...one, ended_at: Date.now() / 1000, seconds: 0, reason: t`it is no longer kept` };
    return body ?? one;
  }

  /**
   * Note what the server tells. Returns the happening if it is on the page.
   *
   * @param {EventMessage} message
   */
  take(message) {
    if (this.#underway && this.#meanwhile.length < MOST_MEANWHILE) this.#meanwhile.push(message);
    return this.#note(message);
  }

  /** @param {EventMessage} message */
  #note(message) {
    return this.history.take(message, (one) => matches(one, this.filters, Date.now() / 1000));
  }

  /** @param {string | null} before */
  #page(before) {
    const query = toQuery(this.filters, Date.now() / 1000);
    query.set("limit", String(PAGE));
    if (before !== null) query.set("before", before);
    return this.#during(() => this.#ask(query));
  }

  /** Keep what is told until an answer is there. @template T @param {() => Promise<T>} ask */
  async #during(ask) {
    if (!this.#underway) this.#meanwhile = [];
    this.#underway += 1;
    const answer = await ask();
    this.#underway -= 1;
    return answer;
  }
}
