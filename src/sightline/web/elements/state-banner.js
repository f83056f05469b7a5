/**
 * `<state-banner>`: tells what is wrong, and offers a way out.
 *
 * Nothing changes when the same is said again, so that screen readers speak once and the focus stays.
 *
 * @typedef {{text: string, run?: () => void, href?: string, main?: boolean, id?: string}} Action
 * @typedef {{
 *   icon?: string,
 *   kind?: "info" | "warning" | "error",
 *   title: string,
 *   text?: string,
 *   retryAt?: number,
 *   actions?: Action[],
 * }} State `retryAt` is on the clock of `performance.now()`
 */

import { icon, make, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";

export class StateBanner extends HTMLElement {
  #said = "";
  /** @type {HTMLElement | null} */
  #countdown = null;
  #retryAt = 0;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  connectedCallback() {
    this.setAttribute("role", "status");
    if (!this.#said) this.hidden = true;
  }

  disconnectedCallback() {
    clearInterval(this.#timer);
  }

  /** @param {State | null} state null when there is nothing to say */
  say(state) {
    clearInterval(this.#timer);
    this.#retryAt = state?.retryAt ?? 0;
    const { retryAt: _, ...fixed } = state ?? {};
    const said = state ? JSON.stringify(fixed) : "";
    if (said !== this.#said) {
      this.#said = said;
      this.#build(state);
    }
    if (this.#retryAt) this.#timer = setInterval(() => this.#count(), 250);
    this.#count();
  }

  /** @param {State | null} state */
  #build(state) {
    this.hidden = !state;
    this.#countdown = null;
    if (!state) {
      this.replaceChildren();
      return;
    }
    this.dataset["kind"] = state.kind ?? "info";
    /** @type {HTMLElement[]} */
    const parts = [make("p", { class: "banner-title" }, state.title)];
    if (state.text) parts.push(make("p", { class: "banner-text" }, state.text));
    // The number that changes every second is for the eye only. A screen reader hears the sentence once.
    this.#countdown = make("p", { class: "banner-countdown", "aria-hidden": "true" });
    parts.push(this.#countdown);
    const words = make("div", { class: "banner-words" }, ...parts);
    const actions = make("div", { class: "banner-actions" }, ...(state.actions ?? []).map(button));
    this.replaceChildren(icon(state.icon ?? "wait"), words, ...(state.actions?.length ? [actions] : []));
  }

  #count() {
    if (!this.#countdown) return;
    const seconds = Math.ceil((this.#retryAt - performance.now()) / 1000);
    const text = this.#retryAt ? (seconds > 0 ? t`Trying again in ${seconds} s` : t`Trying again …`) : "";
    setText(this.#countdown, text);
    this.#countdown.hidden = !text;
  }
}

/** @param {Action} action */
function button(action) {
  const look = action.main ? "button main" : "button";
  const link = action.href !== undefined;
  const element = link
    ? make("a", { class: look, href: action.href ?? "" }, action.text)
    : make("button", { type: "button", class: look }, action.text);
  if (action.id) element.id = action.id;
  if (!link) element.addEventListener("click", () => action.run?.());
  return element;
}

customElements.define("state-banner", StateBanner);
