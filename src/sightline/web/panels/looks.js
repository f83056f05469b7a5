/** Controls of the overlay, the same on every page with pictures. Choices are remembered. */

import { AUTO, AUTO_OPACITY, MODES, modeNamed } from "../draw/modes.js";
import { make, setText } from "../lib/dom.js";
import { remember, remembered } from "../lib/storage.js";
import { byId } from "./page.js";

/**
 * Wire `#overlay`, `#labels`, `#tracks`, `#mode`, `#opacity` and `#mode-why` to a painter.
 *
 * @param {import("../draw/painter.js").Painter} painter
 */
export function setUpLooks(painter) {
  const overlay = byId("overlay", HTMLInputElement);
  const labels = byId("labels", HTMLInputElement);
  const tracks = byId("tracks", HTMLInputElement);
  const select = byId("mode", HTMLSelectElement);
  const slider = byId("opacity", HTMLInputElement);
  const why = byId("mode-why", HTMLElement);
  for (const { name, title } of MODES) select.append(make("option", { value: name }, title));
  overlay.checked = remembered("overlay", "true") === "true";
  labels.checked = remembered("labels", "true") === "true";
  tracks.checked = remembered("tracks", "false") === "true";
  select.value = remembered("mode", AUTO);
  if (!select.value) select.value = AUTO; // chosen on an older page

  const opacityOf = (/** @type {string} */ mode) =>
    remembered(`opacity.${mode}`, String(100 * (modeNamed(mode)?.opacity ?? AUTO_OPACITY)));
  const apply = () => {
    const on = overlay.checked;
    setText(byId("opacity-shown", HTMLElement), `${slider.value} %`);
    labels.disabled = tracks.disabled = select.disabled = slider.disabled = !on;
    const opacity = Number(slider.value) / 100;
    const looks = { overlay: on, labels: labels.checked, tracks: tracks.checked, mode: select.value, opacity };
    Object.assign(painter.options, looks);
    setText(why, "");
    painter.repaint();
  };
  painter.onwhy = (text) => setText(why, text);
  painter.ontracks = () => (byId("tracks-row", HTMLElement).hidden = false);
  for (const input of [overlay, labels, tracks]) {
    input.addEventListener("input", () => {
      remember(input.id, String(input.checked));
      apply();
    });
  }
  select.addEventListener("change", () => {
    remember("mode", select.value);
    slider.value = opacityOf(select.value); // each mode has its own opacity
    apply();
  });
  slider.addEventListener("input", () => {
    remember(`opacity.${select.value}`, slider.value);
    apply();
  });
  slider.value = opacityOf(select.value);
  apply();
}

/** Tells a painter the model's classes, which a picture without people does not show. */
export class KnownClasses {
  #painter;
  #ask;
  #model = "";

  /** @param {import("../draw/painter.js").Painter} painter @param {() => void} ask the server how the stream is */
  constructor(painter, ask) {
    this.#painter = painter;
    this.#ask = ask;
  }

  /** Note the model of a result. @param {string} model */
  seen(model) {
    if (model === this.#model) return;
    this.#model = model;
    this.#painter.options.known = null;
    this.#ask();
  }

  /** @param {{model: string, labels: string[]}} detail what the server said */
  learn({ model, labels }) {
    if (model === this.#model) this.#painter.options.known = labels;
  }
}
