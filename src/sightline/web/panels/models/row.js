/** A model on the models page, with what can be done with it. */

import { icon, make } from "../../lib/dom.js";
import { said, t } from "../../lib/i18n.js";
import { nameOf } from "../../wire/stream-names.js";
import { lackOf } from "../model-words.js";
import { bytesInWords, factsOf, notGotInWords, removalInWords, whatInWords } from "./words.js";

/**
 * @typedef {import("../../wire/models.js").Model} Model
 * @typedef {{get: (name: string) => void, cancel: (name: string) => void, ask: (name: string) => void,
 *   remove: (name: string) => void}} Deeds `ask`: whether it is to be removed; "" for no model
 */

/**
 * @param {Model} model @param {boolean} manages whether this person may get and remove models
 * @param {boolean} asked whether they are asked for their word before it is removed @param {Deeds} deeds
 */
export function modelRow(model, manages, asked, deeds) {
  const { name, description } = model;
  const head = make("div", { class: "model-head" }, make("h3", {}, name), ...marks(model));
  const what = make("p", { class: "model-what" }, whatInWords({ ...model, description }));
  /** @type {HTMLElement[]} */
  const parts = [head, what, facts(model)];
  if (model.licence_note) parts.push(make("p", { class: "model-note" }, said(model.licence_note)));
  if (model.streams.length) parts.push(used(model.streams));
  parts.push(...(model.usable ? [] : missing(model, manages, deeds)));
  if (manages && model.removable) parts.push(asked ? confirmation(model, deeds) : removal(model, deeds));
  return make("li", { class: "model-row", "data-model": name }, ...parts);
}

/** @param {Model} model */
function marks({ active, streams, memory_bytes: memory }) {
  const kind = streams.length ? "good" : "";
  const text = streams.length ? t`In use` : memory ? t`Loaded` : "";
  const marks = text ? [make("p", { class: "pill", "data-kind": kind }, text)] : [];
  if (active) marks.push(make("p", { class: "mark" }, t`Every stream begins with it`));
  return marks;
}

/** @param {Model} model */
function facts(model) {
  const rows = factsOf(model).map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)));
  if (model.licence_url) {
    const link = make("a", { href: model.licence_url, rel: "noreferrer", target: "_blank" }, model.licence);
    rows[1]?.querySelector("dd")?.replaceChildren(link);
  }
  return make("dl", { class: "model-facts" }, ...rows);
}

/** @param {readonly string[]} streams */
function used(streams) {
  const links = streams.flatMap((name, at) => [at ? ", " : "", make("a", { href: `/view/${name}` }, nameOf(name))]);
  return make("p", { class: "model-used" }, t`Used by `, ...links);
}

/** @param {Model} model @param {boolean} manages @param {Deeds} deeds @returns {HTMLElement[]} */
function missing({ name, getting, gettable, reason }, manages, deeds) {
  if (getting && !getting.error) return [progress(name, getting, manages, deeds)];
  const error = getting?.error ? [make("p", { class: "problem", role: "alert" }, notGotInWords(getting)), byHand(name)] : [];
  if (gettable && !manages) return [...error, make("p", { class: "hint" }, t`Whoever manages this server can get it here.`)];
  if (gettable) return [...error, actions(deed(name, "get", t`Get it (${bytesInWords(gettable)})`, "", deeds.get))];
  const { why, command } = lackOf(reason);
  const words = make("p", { class: "hint" }, `${why}.`);
  return [...error, ...(command ? [words, make("p", { class: "hint" }, t`Where the server runs: `, make("code", {}, command))] : [words])];
}

/** @param {string} name */
function byHand(name) {
  const summary = make("summary", {}, t`Without a network`);
  const steps = make(
    "ol",
    {},
    make("li", {}, t`On a machine that has one: `, make("code", {}, `sightline models pull ${name}`)),
    make("li", {}, t`Copy the folder `, make("code", {}, `profiles/${name}`), t` of its cache to this server.`),
    make("li", {}, t`Where the server runs: `, make("code", {}, "sightline models import FOLDER")),
  );
  return make("details", { class: "by-hand" }, summary, steps);
}

/** @param {string} name @param {{done: number, total: number}} getting @param {boolean} manages @param {Deeds} deeds */
function progress(name, { done, total }, manages, deeds) {
  /** @type {Record<string, string>} */
  const known = total ? { max: String(total), value: String(done) } : {};
  const bar = make("progress", { "aria-label": t`Getting ${name}`, ...known });
  const words = make("p", { class: "hint" }, total ? t`${bytesInWords(done)} of ${bytesInWords(total)}` : bytesInWords(done));
  const stop = manages ? [actions(deed(name, "cancel", t`Cancel`, "", deeds.cancel))] : [];
  return make("div", { class: "model-progress" }, bar, words, ...stop);
}

/** @param {Model} model @param {Deeds} deeds */
function removal({ name, streams }, deeds) {
  if (streams.length) return make("p", { class: "hint" }, t`It can be removed once no stream has it.`);
  const button = deed(name, "remove", t`Remove…`, "quiet", deeds.ask);
  button.prepend(icon("bin"));
  return actions(button);
}

/** @param {Model} model @param {Deeds} deeds */
function confirmation(model, deeds) {
  const words = make("p", { role: "alert" }, removalInWords(model));
  const yes = deed(model.name, "sure", t`Remove it`, "danger", deeds.remove);
  const no = deed(model.name, "keep", t`Keep it`, "", () => deeds.ask(""));
  return make("div", { class: "model-sure" }, words, actions(no, yes));
}

/** @param {HTMLElement[]} buttons */
function actions(...buttons) {
  return make("div", { class: "actions" }, ...buttons);
}

/** @param {string} name @param {string} act @param {string} text @param {string} look @param {(name: string) => void} run */
function deed(name, act, text, look, run) {
  const label = text.replace(/ it\b|…/, "");
  const [verb, ...rest] = label.split(" ");
  const attributes = { type: "button", class: `button ${look}`.trim(), "data-act": act };
  const named = [verb, name, ...rest].join(" ");
  const button = make("button", { ...attributes, "aria-label": named }, act === "get" ? named : text);
  button.addEventListener("click", () => {
    button.disabled = true;
    run(name);
  });
  return button;
}
