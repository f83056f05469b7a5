/** Model settings of a stream: those in force on the server, and over them this page's unanswered requests. */

import { said, t } from "../lib/i18n.js";

/**
 * @typedef {import("../wire/stream-stats.js").Detail} Detail
 * @typedef {import("../wire/stream-stats.js").InForce} InForce
 * @typedef {Record<string, unknown>} Change
 * @typedef {{status: number, body: any}} Answer `status` is 0 where there was none
 * @typedef {{patch: (change: Change) => Promise<Answer>, onchange: () => void, onwish: () => void,
 *   onrefused: (why: string) => void}} Events `onwish`: something was chosen for a stream that is to come, so `expect` is
 *   to be called again; `onrefused`: this page may not change anything
 */

/** Settings whose change may take seconds, as a model is loaded. */
const LOADS = new Set(["model", "engine", "imgsz"]);

const KEYS = [
  ...["model", "engine", "imgsz", "confidence", "iou", "max_detections", "classes"],
  ...["detect", "track", "track_lost_s", "track_confirm"],
];

/** @param {Change} change */
export function loads(change) {
  return Object.keys(change).some((key) => LOADS.has(key));
}

export class ModelSettings {
  /** Settings in force; null before the server has told them. @type {Detail | null} */
  detail = null;
  /** True while there is no such stream: what is chosen then waits for it. */
  absent = false;
  /** Reasons of refusals, by the setting's key. @type {Map<string, string>} */
  problems = new Map();
  #events;
  /** @type {Map<string, {value: unknown}>} asked for, not answered yet */
  #asked = new Map();
  /** @type {Map<string, unknown>} the newest wish of each key that waits for its turn */
  #next = new Map();
  #sending = false;
  /** Choices for the stream that is to come. @type {Change} */
  #wishes = {};
  #answeredAt = -Infinity;
  /** Time of the failure that happened before this page was open. @type {number | null} */
  #oldFailure = null;

  /** @param {Events} events */
  constructor(events) {
    this.#events = events;
  }

  /**
   * Take the server's word. It is ignored if it was asked for before the last change.
   *
   * @param {Detail | null} detail null: there is no such stream @param {number} askedAt milliseconds, performance.now()
   */
  take(detail, askedAt) {
    if (askedAt < this.#answeredAt) return;
    if (!detail) {
      this.#gone();
      return;
    }
    if (this.absent) {
      this.absent = false;
      this.detail = null; // it was of a stream to come, or of one that is over
      void this.#grant();
    }
    if (detail && !this.detail) this.#oldFailure = detail.switch_failed?.at ?? null;
    if (detail?.settings.model !== this.detail?.settings.model) this.problems.clear(); // of another model
    this.detail = detail;
    this.#events.onchange();
  }

  /**
   * Show what the stream would begin with, while there is none.
   *
   * @param {InForce} settings @param {(name: string) => {task: string, labels: string[]} | undefined} of models by name
   */
  expect(settings, of) {
    if (this.detail && !this.absent) return;
    this.absent = true;
    const begins = { ...settings, ...this.#wishes };
    const { task = "", labels = [] } = of(begins.model) ?? {};
    const none = { pending: null, switch_failed: null, adaptive: null, seen: [], browser: "", licence_note: "" };
    this.detail = { ...none, settings: begins, task, labels, model: begins.model, imgsz_changeable: false, stride: 32 };
    this.#events.onchange();
  }

  /** Ask for what was chosen before there was a stream. */
  async #grant() {
    const wishes = this.#wishes;
    this.#wishes = {};
    const [first] = Object.keys(wishes);
    if (!first) return;
    for (const [key, value] of Object.entries(wishes)) this.#asked.set(key, { value });
    const answer = await this.#events.patch(wishes);
    for (const key of Object.keys(wishes)) this.#asked.delete(key);
    this.#judge("model" in wishes ? "model" : first, answer);
  }

  /**
   * A setting as the person shall see it: the request, until that is answered.
   *
   * @param {string} key
   * @returns {unknown}
   */
  value(key) {
    const asked = this.#asked.get(key);
    if (asked) return asked.value;
    return this.detail?.settings[/** @type {keyof InForce} */ (key)] ?? this.detail?.[/** @type {keyof Detail} */ (key)];
  }

  /** Reason why the last change of the model failed, whoever asked; "" if it did not, or before this page was open. */
  get failure() {
    const failed = this.detail?.switch_failed;
    return failed && failed.at !== this.#oldFailure ? failed.message : "";
  }

  /** Ask for a change. @param {string} key @param {unknown} value */
  async set(key, value) {
    this.problems.delete(key);
    if (this.absent) {
      this.#wish({ ...this.#wishes, [key]: value });
      return;
    }
    this.#asked.set(key, { value });
    this.#events.onchange();
    if (loads({ [key]: value })) await this.#send(key, value);
    else await this.#inTurn(key, value);
  }

  /** The stream is forgotten, and its settings with it. */
  #gone() {
    if (!this.detail) return;
    this.absent = true;
    this.#events.onwish();
  }

  /** @param {Change} wishes */
  #wish(wishes) {
    this.#wishes = wishes;
    this.#events.onwish();
  }

  /** Everything as the server was started with. */
  async reset() {
    this.problems.clear();
    if (this.absent) {
      this.#wish({});
      return;
    }
    this.#judge("model", await this.#events.patch(Object.fromEntries(KEYS.map((key) => [key, null]))));
  }

  /**
   * Send one change at a time. While a slider is dragged, each answer is followed by its newest place.
   *
   * @param {string} key @param {unknown} value
   */
  async #inTurn(key, value) {
    this.#next.set(key, value);
    if (this.#sending) return;
    this.#sending = true;
    for (;;) {
      const [first] = this.#next;
      if (!first) break;
      this.#next.delete(first[0]);
      await this.#send(...first);
    }
    this.#sending = false;
  }

  /** @param {string} key @param {unknown} value */
  async #send(key, value) {
    const mine = this.#asked.get(key);
    const answer = await this.#events.patch({ [key]: value });
    if (this.#asked.get(key) === mine) this.#asked.delete(key);
    if (answer.status === 404) {
      this.#gone();
      this.#wish({ ...this.#wishes, [key]: value });
    } else this.#judge(key, answer);
  }

  /** @param {string} key that was asked for @param {Answer} answer */
  #judge(key, { status, body }) {
    this.#answeredAt = performance.now();
    if (status === 200) {
      this.take(body, this.#answeredAt);
      return;
    }
    const error = body?.error ?? { code: "", message: t`The server does not answer. Try again` };
    if (this.detail && LOADS.has(key) && error.code !== "superseded") this.detail = { ...this.detail, pending: null };
    if (status === 401 || status === 403) this.#events.onrefused(said(error.message));
    else if (error.code !== "superseded") this.problems.set(error.key ?? key, problem(error));
    this.#events.onchange();
  }
}

/**
 * Words for the refusal of a setting.
 *
 * @param {{message: string, key?: string, expected?: string, got?: string}} error
 */
function problem({ message, key, expected, got }) {
  if (!expected || key === "model") return said(message);
  return t`${got} is not possible: expected ${expected}.`;
}

/**
 * Ids of classes by the names that the server gives them.
 *
 * @param {readonly string[]} names @param {readonly string[]} labels
 * @returns {Set<number>}
 */
export function idsOf(names, labels) {
  const ids = names.map((name) => {
    const id = labels.indexOf(name);
    return id < 0 ? Number(/^class (\d+)$/.exec(name)?.[1] ?? -1) : id;
  });
  return new Set(ids.filter((id) => id >= 0));
}
