/** Puts a new main part in place of one that is left. It comes with the first step to another stream. */

import { setUpMain } from "../panels/shell.js";

/** What may be scrolled. */
const PLACES = ["panel", "panel-body"];

/** Show a main part: it has open what the person has opened, is where they are in it, and has the focus where it was. @param {HTMLElement} main */
export function renewMain(main) {
  closeDialogs();
  const before = /** @type {HTMLElement} */ (document.querySelector("main"));
  const focused = selectorOf(document.activeElement);
  for (const details of main.querySelectorAll("details[id]")) {
    details.toggleAttribute("open", before.querySelector(`#${details.id}`)?.hasAttribute("open") ?? false);
  }
  const places = PLACES.map((id) => /** @type {const} */ ([id, before.querySelector(`#${id}`)?.scrollTop ?? 0]));
  const sheet = before.querySelector("#panel")?.getAttribute("data-open") === "true";
  before.replaceWith(main);
  setUpMain(main);
  if (sheet) main.querySelector("#sheet-handle")?.dispatchEvent(new Event("click"));
  for (const [id, top] of places) main.querySelector(`#${id}`)?.scrollTo({ top, behavior: "instant" });
  const focus = focused && main.querySelector(focused);
  if (focus instanceof HTMLElement) focus.focus({ preventScroll: true });
}

/** Close the dialogs, and take away those that parts have put beside the main part. */
function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.close();
    if (dialog.parentElement === document.body) dialog.remove();
  }
}

/** How to find an element of the main part in a new one; "" if there is no way. @param {Element | null} element */
function selectorOf(element) {
  const does = element?.getAttribute("data-do");
  if (does) return `[data-do="${does}"]`;
  if (element?.matches("details[id] > summary")) return `#${element.parentElement?.id} > summary`;
  return element?.id ? `#${CSS.escape(element.id)}` : "";
}
