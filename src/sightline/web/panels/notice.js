/**
 * Shows words over the picture for some seconds, when the page has decided something by itself. The panel keeps them.
 */

import { setText } from "../lib/dom.js";
import { byId } from "./page.js";

const SHOWN_MS = 8_000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} text */
export function notice(text) {
  const place = byId("notice", HTMLElement);
  setText(place, text);
  clearTimeout(timer);
  timer = setTimeout(() => setText(place, ""), SHOWN_MS);
}
