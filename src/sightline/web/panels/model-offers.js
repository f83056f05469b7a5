/** Button with a stream's model, and the list of models that it could have. */

import { make, setData, setText } from "../lib/dom.js";
import { failure, findsInWords, lackOf, standing } from "./model-words.js";
import { byId } from "./page.js";

/** @typedef {import("./model-words.js").Offer} Offer */

export class ModelOffers {
  #button = byId("model-chosen", HTMLButtonElement);
  #list = byId("model-offers", HTMLElement);
  #why = byId("model-why", HTMLElement);
  #licence = byId("model-licence", HTMLElement);
  #choose;
  #onlearn;
  /** @type {Offer[]} */
  #offers = [];
  #told = "";
  /** The model for which the list was fetched. */
  #askedFor = "";
  #inForce = "";
  #mayChange = false;

  /** @param {(name: string) => void} choose @param {() => void} onlearn what is offered is known */
  constructor(choose, onlearn) {
    this.#choose = choose;
    this.#onlearn = onlearn;
    this.#button.addEventListener("click", () => this.#open(this.#list.hidden === true));
    this.#list.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation(); // the sheet stays open
      this.#open(false);
      this.#button.focus();
    });
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
    setText(byId("model-name", HTMLElement), name || "–");
    setText(byId("model-about", HTMLElement), detail ? this.#about(name, detail) : " ");
    const problem = problems.get("model") || settings.failure;
    const words = detail ? standing(detail) : "Can be changed while the stream runs.";
    const failed = problem !== "" && !detail?.pending;
    setText(this.#why, failed ? failure(problem, this.#inForce) : words);
    setData(this.#why, "kind", failed ? "problem" : "");
    const note = this.#offers.find((offer) => offer.name === name)?.licence_note ?? "";
    setText(this.#licence, note);
    if (detail && this.#askedFor !== this.#inForce) void this.#ask();
    this.#mark();
  }

  /** @param {string} name @param {import("../wire/stream-stats.js").Detail} detail */
  #about(name, detail) {
    if (name === this.#inForce) return findsInWords(detail.task, detail.labels.length);
    const offer = this.#offers.find((one) => one.name === name);
    return `Loading… ${offer?.task ? findsInWords(offer.task, offer.labels.length) : ""}`;
  }

  /** @param {boolean} wanted */
  #open(wanted) {
    this.#list.hidden = !wanted;
    this.#button.setAttribute("aria-expanded", String(wanted));
    if (wanted) void this.#ask(); // the operator may have added one meanwhile
  }

  async #ask() {
    this.#askedFor = this.#inForce;
    try {
      const answer = await fetch("/api/models", { cache: "no-store" });
      if (!answer.ok) return;
      this.#offers = (await answer.json()).models;
    } catch {
      this.#askedFor = ""; // asked again with the next news of the stream
      return;
    }
    this.#fill();
    this.#onlearn();
  }

  /** Engines that can run the present model. @returns {string[]} */
  get engines() {
    return this.#offers.find((offer) => offer.name === this.#inForce)?.engines ?? [];
  }

  #fill() {
    const told = JSON.stringify(this.#offers);
    if (told === this.#told) return;
    this.#told = told;
    const usable = this.#offers.filter((offer) => offer.usable);
    const others = this.#offers.filter((offer) => !offer.usable);
    /** @type {HTMLElement[]} */
    const parts = [make("ul", { "aria-label": "Models" }, ...usable.map((offer) => this.#row(offer)))];
    if (others.length) {
      parts.push(make("h3", { id: "model-others" }, "Not on this server yet"));
      parts.push(make("ul", { "aria-labelledby": "model-others" }, ...others.map(lacking)));
    }
    this.#list.replaceChildren(...parts);
    this.#mark();
  }

  /** @param {Offer} offer */
  #row(offer) {
    const button = make("button", { type: "button", class: "offer", "data-offer": offer.name }, ...wordsOf(offer));
    button.disabled = !this.#mayChange;
    button.addEventListener("click", () => {
      this.#open(false);
      this.#button.focus();
      this.#choose(offer.name);
    });
    return make("li", {}, button);
  }

  #mark() {
    for (const row of this.#list.querySelectorAll("button")) {
      row.disabled = !this.#mayChange;
      if (row.dataset["offer"] === this.#inForce) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }
}

/** @param {Offer} offer */
function wordsOf({ name, task, labels, description, licence_note }) {
  const title = make("span", { class: "offer-title" }, make("b", {}, name), make("span", {}, findsInWords(task, labels.length)));
  const words = [title];
  if (description) words.push(make("span", { class: "offer-text" }, description));
  if (licence_note) words.push(make("span", { class: "offer-note" }, licence_note));
  return words;
}

/** Row of a model that can't be chosen now. It can be read, but not pressed. @param {Offer} offer */
function lacking(offer) {
  const { why, command } = lackOf(offer.reason);
  const words = [...wordsOf(offer), make("span", { class: "offer-text" }, why)];
  if (command) words.push(make("span", { class: "offer-text" }, "The operator runs: ", make("code", {}, command)));
  return make("li", { class: "offer", "aria-disabled": "true", "data-offer": offer.name }, ...words);
}
