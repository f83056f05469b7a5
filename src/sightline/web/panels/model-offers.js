/** Button with a stream's model, and the list of models that it could have, over the page. */

import { make, setData, setText } from "../lib/dom.js";
import { said, t } from "../lib/i18n.js";
import { Newest } from "../lib/newest.js";
import { may, whoAmI } from "../wire/session.js";
import { failure, findsInWords, standing } from "./model-words.js";
import { byId } from "./page.js";

const LOOK_MS = 1_000;
const NEVER = "?";

/** @typedef {import("./model-words.js").Offer} Offer */
/** @typedef {typeof import("./offer-rows.js")} Rows fetched with the list */

export class ModelOffers {
  #button = byId("model-chosen", HTMLButtonElement);
  #dialog = byId("model-offers", HTMLDialogElement);
  #list = byId("model-offers-list", HTMLElement);
  #why = byId("model-why", HTMLElement);
  #licence = byId("model-licence", HTMLElement);
  #name = byId("model-name", HTMLElement);
  #about = byId("model-about", HTMLElement);
  #stream;
  #choose;
  #onlearn;
  /** @type {Offer[]} */
  #offers = [];
  #told = "";
  #newest = new Newest();
  /** Why the server would not get a model, by its name. @type {Map<string, string>} */
  #refusals = new Map();
  /** Whether the list is of use by now: most visits never open it. */
  #wanted = false;
  /** The model for which the list was fetched. */
  #askedFor = NEVER;
  #inForce = "";
  #mayChange = false;
  #mayGet = false;

  /**
   * @param {string} stream @param {(name: string) => void} choose
   * @param {(begins: import("../wire/stream-stats.js").InForce) => void} onlearn what is offered is known, and what the
   *   stream would begin with
   */
  constructor(stream, choose, onlearn) {
    this.#stream = stream;
    this.#choose = choose;
    this.#onlearn = onlearn;
    this.#button.addEventListener("click", () => this.#open());
    byId("model-offers-close", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => event.stopPropagation()); // Escape closes the list alone
    void whoAmI().then((me) => (this.#mayGet = may(me, "admin", "")));
  }

  /** @param {import("./model-settings.js").ModelSettings} settings @param {boolean} mayChange */
  show(settings, mayChange) {
    const { detail, problems } = settings;
    const asked = settings.value("model");
    const name = detail?.pending?.model ?? (typeof asked === "string" ? asked : "");
    this.#inForce = detail?.settings.model ?? "";
    if (this.#mayChange !== mayChange) this.#told = "";
    this.#mayChange = mayChange;
    this.#button.disabled = !detail;
    setData(this.#button, "loading", String(detail !== null && name !== this.#inForce));
    setText(this.#name, name || "–");
    setText(this.#about, detail ? this.#findings(name, detail) : " ");
    const problem = problems.get("model") || settings.failure;
    const words = settings.absent ? t`The camera will start with it.` : detail ? standing(detail) : "";
    const failed = problem !== "" && !detail?.pending;
    setText(this.#why, failed ? failure(problem, this.#inForce) : words);
    setData(this.#why, "kind", failed ? "problem" : "");
    setText(this.#licence, said((name === this.#inForce ? detail?.licence_note : this.of(name)?.licence_note) ?? ""));
    if (this.#wanted && detail && this.#askedFor !== this.#inForce) void this.#ask();
    this.#mark();
  }

  /** @param {string} name @param {import("../wire/stream-stats.js").Detail} detail */
  #findings(name, detail) {
    if (name === this.#inForce) return findsInWords(detail.task, detail.labels.length);
    const offer = this.of(name);
    return t`Loading… ${offer?.task ? findsInWords(offer.task, offer.labels.length) : ""}`;
  }

  /** A model that is offered. @param {string} name */
  of(name) {
    return this.#offers.find((offer) => offer.name === name);
  }

  /** Engines that can run the present model; null as long as that is not known. @returns {string[] | null} */
  get engines() {
    return this.#offers.length ? (this.of(this.#inForce)?.engines ?? []) : null;
  }

  /** Fetch the list, unless that was done. */
  want() {
    if (!this.#wanted) void this.#ask();
  }

  /** Show the list, and keep it up to date: somebody may add a model meanwhile, and downloads go on. */
  #open() {
    this.#dialog.showModal();
    void this.#ask();
    const looking = setInterval(() => void this.#ask(), LOOK_MS);
    this.#dialog.addEventListener("close", () => clearInterval(looking), { once: true });
  }

  async #ask() {
    this.#wanted = true;
    this.#askedFor = this.#inForce;
    const asked = this.#newest.ask();
    try {
      const answer = await fetch(`/api/models?stream=${this.#stream}`, { cache: "no-store" });
      if (!answer.ok) return;
      const told = await answer.json();
      const rows = await import("./offer-rows.js");
      if (!this.#newest.takes(asked)) return;
      this.#offers = told.models;
      this.#fill(rows);
      this.#onlearn(told.settings);
    } catch {
      this.#askedFor = NEVER; // asked again with the next news of the stream
    }
  }

  /** @param {Rows} rows */
  #fill(rows) {
    const told = JSON.stringify([this.#offers, ...this.#refusals]);
    if (told === this.#told) return;
    this.#told = told;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["offer"] : undefined;
    const usable = this.#offers.filter((offer) => offer.usable);
    const others = this.#offers.filter((offer) => !offer.usable).map((offer) => this.#withRefusal(offer));
    /** @type {HTMLElement[]} */
    const parts = [make("ul", { "aria-label": t`Models` }, ...usable.map((offer) => this.#row(offer, rows)))];
    if (others.length) {
      const get = this.#mayGet ? (/** @type {Offer} */ offer) => void this.#get(offer) : null;
      parts.push(make("h3", { id: "model-others" }, t`Not on this server yet`));
      parts.push(make("ul", { "aria-labelledby": "model-others" }, ...others.map((offer) => rows.lacking(offer, get))));
    }
    this.#list.replaceChildren(...parts);
    const again = focused && this.#list.querySelector(`button[data-offer="${CSS.escape(focused)}"]`);
    if (again instanceof HTMLElement) again.focus();
    this.#mark();
  }

  /** @param {Offer} offer @param {Rows} rows */
  #row(offer, rows) {
    return rows.chooseable(offer, () => {
      this.#dialog.close();
      this.#choose(offer.name);
    });
  }

  /** Have the server get a model's weights. @param {Offer} offer */
  async #get({ name }) {
    const [{ getModel }, rows] = await Promise.all([import("../wire/models.js"), import("./offer-rows.js")]);
    this.#refusals.delete(name);
    const why = await getModel(name);
    if (why) this.#refusals.set(name, why);
    this.#newest.changed();
    this.#told = ""; // its button can be pressed again, also where the server does not answer
    this.#fill(rows);
    await this.#ask();
  }

  /** @param {Offer} offer */
  #withRefusal(offer) {
    const error = this.#refusals.get(offer.name);
    return error && !offer.getting ? { ...offer, getting: { done: 0, total: 0, error } } : offer;
  }

  #mark() {
    for (const row of this.#list.querySelectorAll("button.offer")) {
      if (!(row instanceof HTMLButtonElement)) continue;
      row.disabled = !this.#mayChange;
      if (row.dataset["offer"] === this.#inForce) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }
}
