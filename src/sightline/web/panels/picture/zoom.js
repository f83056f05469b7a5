/** Zooms and moves the picture by wheel, mouse, fingers and keys. */

import { WHOLE } from "../../lib/geometry.js";
import { FILL, remember } from "../../lib/storage.js";
import { fitted, isWhole, moved, swiped, zoomed } from "../../lib/view.js";

/** @typedef {import("../../lib/view.js").Point} Point */

const STEP = 1.5;
/** How much a pixel of the wheel zooms. */
const WHEEL = 0.002;
/** Pixels of a line, where a wheel counts lines. */
const LINE = 33;
const PAN = 80;
/** @type {Readonly<Record<string, Point>>} */
const WAYS = { left: [PAN, 0], right: [-PAN, 0], up: [0, PAN], down: [0, -PAN] };

export class Zoom {
  /** Called when the view is another. */
  onchange = () => {};
  /** Called when one finger went across the picture. @param {1 | -1} _by 1 for what comes after it */
  onswipe = (_by) => {};
  #painter;
  #stage;
  #canvas;
  /** Fingers on the picture, in pixels of the window. @type {Map<number, Point>} */
  #held = new Map();
  /** The finger that is alone on the picture, and where it began. @type {{id: number, from: Point} | null} */
  #alone = null;

  /** @param {import("../../draw/painter.js").Painter} painter @param {HTMLElement} stage @param {HTMLElement} canvas */
  constructor(painter, stage, canvas) {
    this.#painter = painter;
    this.#stage = stage;
    this.#canvas = canvas;
    for (const name of ["wheel", "dblclick", "pointerdown", "pointermove", "pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.take(event), { passive: false });
    }
  }

  get view() {
    return this.#painter.view;
  }

  /** @param {Event} event */
  take(event) {
    const { target } = event;
    const on = target instanceof Element && target.closest("sightline-viewer");
    const drawing = this.#stage.dataset["drawing"] !== undefined;
    if (event instanceof WheelEvent && (on || (drawing && target instanceof Element && target.closest(".drawing")))) this.#wheel(event);
    else if (!on || drawing) this.#forget();
    else if (event instanceof PointerEvent) this.#pointer(event);
    else if (event instanceof MouseEvent) this.#double(event);
  }

  /** A finger is put on the picture. @param {PointerEvent} event */
  touch({ pointerId, pointerType, clientX, clientY }) {
    this.#alone = pointerType === "touch" && !this.#held.size ? { id: pointerId, from: [clientX, clientY] } : null;
  }

  #forget() {
    this.#held.clear();
    this.#alone = null;
  }

  /** @param {number} times of a step @param {Point | null} at of the window; its middle without */
  by(times, at = null) {
    this.#zoom(STEP ** times, at ?? this.#middle());
  }

  /** @param {string} way */
  pan(way) {
    this.#move(WAYS[way] ?? [0, 0]);
  }

  fit() {
    this.#show(fitted(this.view));
  }

  reset() {
    this.#show(WHOLE);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const { deltaX, deltaY, deltaMode, ctrlKey, shiftKey } = event;
    const unit = deltaMode ? LINE : 1;
    if (shiftKey) this.#move([-(deltaX || deltaY) * unit, 0]);
    else this.#zoom(Math.exp(-deltaY * unit * WHEEL * (ctrlKey ? 4 : 1)), [event.clientX, event.clientY]); // a pad's pinch has Ctrl
  }

  /** @param {MouseEvent} event */
  #double({ clientX, clientY }) {
    if (this.view.zoom > 1) this.reset();
    else this.#zoom(STEP ** 2, [clientX, clientY]);
  }

  /** @param {PointerEvent} event */
  #pointer(event) {
    const { type, pointerId, buttons, clientX, clientY } = event;
    if (type === "pointerdown") this.touch(event);
    const before = this.#held.get(pointerId);
    if (type === "pointerup" || type === "pointercancel" || !(buttons & 1)) {
      this.#held.delete(pointerId);
      const by = type === "pointerup" && this.#alone?.id === pointerId ? swiped(this.#alone.from, [clientX, clientY]) : 0;
      this.#alone = null;
      if (by && this.view.zoom === 1) this.onswipe(by);
      return;
    }
    if (!before) this.#canvas.setPointerCapture(pointerId);
    const [other] = [...this.#held].filter(([id]) => id !== pointerId).map(([, at]) => at);
    this.#held.set(pointerId, [clientX, clientY]);
    if (before && other) this.#pinch(before, [clientX, clientY], other);
    else if (before) this.#move([clientX - before[0], clientY - before[1]]);
  }

  /** @param {Point} before @param {Point} now of the finger that moved @param {Point} other the other finger */
  #pinch(before, now, other) {
    const apart = (/** @type {Point} */ at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
    this.#move([(now[0] - before[0]) / 2, (now[1] - before[1]) / 2]);
    this.#zoom(apart(now) / apart(before), [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2]);
  }

  /** @returns {Point} */
  #middle() {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    return [left + width / 2, top + height / 2];
  }

  /** @param {number} by @param {Point} at of the window */
  #zoom(by, at) {
    const sizes = this.#sizes();
    if (!sizes) return;
    const { left, top } = this.#canvas.getBoundingClientRect();
    this.#show(zoomed(this.view, by, [at[0] - left, at[1] - top], ...sizes));
  }

  /** @param {Point} by */
  #move(by) {
    const sizes = this.#sizes();
    if (sizes) this.#show(moved(this.view, by, ...sizes));
  }

  /** Sizes of the picture and of where it is; null without a picture. @returns {[import("../../lib/view.js").Size, import("../../lib/view.js").Size] | null} */
  #sizes() {
    const { whole } = this.#painter;
    return whole && [whole, { width: this.#canvas.clientWidth, height: this.#canvas.clientHeight }];
  }

  /** @param {Readonly<import("../../lib/geometry.js").View>} view */
  #show(view) {
    if (this.view === WHOLE && isWhole(view)) return;
    if (this.view.fill !== view.fill) remember(FILL, String(view.fill));
    this.#painter.view = isWhole(view) ? WHOLE : view;
    this.#painter.repaint();
    this.onchange();
  }
}
