/** Rows of the list of models. */

import { make } from "../lib/dom.js";
import { said, t } from "../lib/i18n.js";
import { findsInWords, lackOf, megabytes } from "./model-words.js";

/** @typedef {import("./model-words.js").Offer} Offer */

/** @param {Offer} offer @param {() => void} choose */
export function chooseable(offer, choose) {
  const button = make("button", { type: "button", class: "offer", "data-offer": offer.name }, ...wordsOf(offer));
  button.addEventListener("click", choose);
  return make("li", {}, button);
}

/**
 * Row of a model that can't be chosen now. Who may, gets it with a button; the others read what it lacks.
 *
 * @param {Offer} offer @param {((offer: Offer) => void) | null} get
 */
export function lacking(offer, get) {
  const { name, getting, gettable } = offer;
  const words = [...wordsOf(offer), text(t`Licence: ${offer.licence}`)];
  if (getting?.error) words.push(make("span", { class: "problem", role: "alert" }, t`It did not come: ${getting.error}.`));
  if (getting && !getting.error) words.push(...progressOf(name, getting));
  else if (gettable && get) words.push(getButton(name, gettable, () => get(offer)));
  else if (gettable) words.push(text(t`Whoever runs this server can get it here.`));
  else words.push(...whyNot(offer.reason));
  return make("li", { class: "offer", "data-offer": name }, ...words);
}

/** @param {string} name @param {{done: number, total: number}} getting */
function progressOf(name, { done, total }) {
  /** @type {Record<string, string>} */
  const known = total ? { max: String(total), value: String(done) } : {};
  const bar = make("progress", { "aria-label": t`Getting ${name}`, ...known });
  return [bar, text(total ? t`${megabytes(done)} of ${megabytes(total)}` : megabytes(done))];
}

/** @param {string} name @param {number} bytes @param {() => void} get */
function getButton(name, bytes, get) {
  const attributes = { type: "button", class: "button", "data-offer": name };
  const button = make("button", attributes, t`Get ${name} (${megabytes(bytes)})`);
  button.addEventListener("click", () => {
    button.disabled = true;
    get();
  });
  return button;
}

/** @param {string} reason */
function whyNot(reason) {
  const { why, command } = lackOf(reason);
  if (!command) return [text(why)];
  return [text(why), text(t`Where the server runs: `, make("code", {}, command))];
}

/** @param {Offer} offer */
function wordsOf({ name, task, labels, description, licence_note }) {
  const title = make("span", { class: "offer-title" }, make("b", {}, name), make("span", {}, findsInWords(task, labels.length)));
  const words = [title];
  if (description) words.push(make("span", { class: "offer-text" }, said(description)));
  if (licence_note) words.push(make("span", { class: "offer-note" }, said(licence_note)));
  return words;
}

/** @param {(string | Node)[]} parts */
function text(...parts) {
  return make("span", { class: "offer-text" }, ...parts);
}
