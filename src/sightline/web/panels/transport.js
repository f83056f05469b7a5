/** Tells on the page how it is connected. */

import { setData, setText } from "../lib/dom.js";
import { notice } from "./notice.js";
import { byId } from "./page.js";
import { transportInWords } from "./words.js";

/** @type {import("../webrtc/link.js").OnTransport} */
export function showTransport(transport, why, fellBack) {
  const words = transportInWords(transport, why);
  setText(byId("transport", HTMLElement), words);
  setData(document.body, "transport", transport);
  if (fellBack) notice(words);
}
