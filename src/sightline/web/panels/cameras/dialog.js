/** What the dialogs about cameras share. They are made when they are opened, and gone when they are closed. */

import { make, setText } from "../../lib/dom.js";

let made = 0;

/**
 * A dialog that is open now.
 *
 * @param {string} title @param {(Node | string)[]} parts of its form
 * @returns {{dialog: HTMLDialogElement, form: HTMLFormElement, close: () => void}}
 */
export function openDialog(title, ...parts) {
  const id = `camera-dialog-${(made += 1)}`;
  const form = make("form", { novalidate: "" }, make("h2", { id }, title), ...parts);
  const dialog = make("dialog", { class: "camera-dialog", "aria-labelledby": id }, form);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return { dialog, form, close: () => dialog.close() };
}

/**
 * A field with its name.
 *
 * @param {string} label @param {Record<string, string>} attributes
 * @returns {{row: HTMLElement, field: HTMLInputElement}}
 */
export function labelled(label, attributes) {
  const id = `camera-field-${(made += 1)}`;
  const field = make("input", { id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", ...attributes });
  return { row: make("div", {}, make("label", { for: id }, label), field), field };
}

/** Where it is said what is wrong. */
export function problemPlace() {
  const element = make("p", { class: "problem", role: "alert" });
  return { element, say: (/** @type {string} */ text) => setText(element, text) };
}

/** @param {string} text @param {string} kind of button: "", "main" or "danger" @param {() => void} [run] none: it submits */
export function button(text, kind = "", run) {
  const element = make("button", { type: run ? "button" : "submit", class: `button ${kind}`.trim() }, text);
  if (run) element.addEventListener("click", run);
  return element;
}
