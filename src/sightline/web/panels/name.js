/** Dialog that asks for the name of a new camera's stream. */

import { setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { freeName, isStreamName } from "../lib/stream-name.js";
import { byId } from "./page.js";

/** @param {() => {name: string, state: string}[]} streams those there are */
export function setUpNaming(streams) {
  const dialog = byId("naming", HTMLDialogElement);
  const form = byId("naming-form", HTMLFormElement);
  const field = byId("name", HTMLInputElement);
  const problem = byId("name-problem", HTMLElement);

  const complain = (/** @type {string} */ text) => {
    setText(problem, text);
    field.setAttribute("aria-invalid", String(text !== ""));
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const name = field.value.trim();
    complain(problemWith(name, streams()));
    if (problem.textContent) field.focus();
    else location.assign(`/camera/${name}#start`);
  });
  field.addEventListener("input", () => complain(""));
  byId("naming-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());

  return () => {
    field.value = freeName(streams().map((s) => s.name));
    complain("");
    dialog.showModal();
    field.select();
  };
}

/**
 * @param {string} name @param {{name: string, state: string}[]} streams
 * @returns {string} "" if it can be used
 */
export function problemWith(name, streams) {
  if (!name) return t`Give it a name.`;
  if (!isStreamName(name)) return t`Only letters without accents, digits, “-” and “_”, at most 64.`;
  if (streams.some((s) => s.name === name && s.state !== "waiting")) return t`A camera has this name already.`;
  return "";
}
