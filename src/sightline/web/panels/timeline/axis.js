/** The times under the strips, and the choice of how much of them is shown. */

import { make } from "../../lib/dom.js";
import { remember, remembered } from "../../lib/storage.js";
import { LENGTHS, shareOf, ticks } from "./scale.js";
import { tickInWords } from "./words.js";

const APART = 80;
/** Pixels that the longest time takes. */
const LABEL = 64;
const USUAL = 6 * 3_600;

/** @param {HTMLElement} axis @param {import("./scale.js").Span} span */
export function drawAxis(axis, span) {
  const most = Math.max(2, Math.floor(axis.clientWidth / APART));
  const whole = (/** @type {number} */ at) => (1 - shareOf(span, at)) * axis.clientWidth >= LABEL;
  axis.replaceChildren(
    ...ticks(span, most).filter(whole).map((at) => {
      const tick = make("span", {}, tickInWords(at));
      tick.style.left = `${shareOf(span, at) * 100}%`;
      return tick;
    }),
  );
}

/** Offer lengths, of which the last choice is kept. @param {HTMLSelectElement} select @param {(seconds: number) => void} onchange */
export function setUpLengths(select, onchange) {
  select.append(...LENGTHS.map(([value, name]) => make("option", { value: `${value}` }, name)));
  select.value = remembered("timeline.length", `${USUAL}`);
  if (!select.value) select.value = `${USUAL}`;
  select.addEventListener("change", () => {
    remember("timeline.length", select.value);
    onchange(Number(select.value));
  });
}

/** Choose a shorter length where what there is would be a sliver of the strip. @param {HTMLSelectElement} select @param {number} seconds how long ago it begins */
export function shorten(select, seconds) {
  const fits = LENGTHS.find(([value]) => value >= seconds)?.[0] ?? Infinity;
  if (fits < Number(select.value)) select.value = `${fits}`;
}
