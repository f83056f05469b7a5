/**
 * Shows words over the picture for some seconds, when the page has decided something by itself, such as how it is connected.
 * The panel keeps them.
 */

import { make, setData, setText } from "../lib/dom.js";
import { byId } from "./page.js";
import { transportInWords } from "./words.js";

const SHOWN_MS = 8_000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;

/** @param {string} text @param {{text: string, href: string}} [link] where it leads on */
export function notice(text, link) {
  const place = byId("notice", HTMLElement);
  setText(place, text);
  if (link) place.append(" ", make("a", { href: link.href }, link.text));
  clearTimeout(timer);
  timer = setTimeout(() => setText(place, ""), SHOWN_MS);
}

/** Tell how the page is connected. @type {import("../webrtc/link.js").OnTransport} */
export function showTransport(transport, why, fellBack) {
  const words = transportInWords(transport, why);
  setText(byId("transport", HTMLElement), words);
  setData(document.body, "transport", transport);
  if (fellBack) notice(words);
}
