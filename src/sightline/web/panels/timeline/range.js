/** The part of a strip that is chosen: drawn over the strip, with two edges that are dragged or moved by keys. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { shareOf, timeAt } from "./scale.js";
import { momentInWords } from "./words.js";

/**
 * @typedef {import("./scale.js").Span} Span
 * @typedef {"from" | "to"} Edge
 */

const MOVED_PX = 5;
/** Seconds by which the arrow keys move an edge; ten times as far with Shift. */
const STEP_S = 1;
const NAMES = { from: t`Start of the export`, to: t`End of the export` };

export class Range {
  element;
  /** What is chosen. @type {Span} */
  chosen = { from: NaN, to: NaN };
  #strip = { from: 0, to: 1 };
  #fill = make("div", { class: "range-fill" });
  #edges = { from: this.#edge("from"), to: this.#edge("to") };
  #onchange;
  #onpick;
  /** Where the pointer went down, and on which edge; "" beside them. @type {{x: number, at: number, edge: Edge | "", moved: boolean} | null} */
  #drag = null;

  /** @param {(at: number, done: boolean) => void} onchange an edge is there now; done: the finger is up @param {(at: number) => void} onpick somebody points at a time */
  constructor(onchange, onpick) {
    this.#onchange = onchange;
    this.#onpick = onpick;
    this.element = make("div", { class: "range-layer" }, this.#fill, this.#edges.from, this.#edges.to);
    this.#listen();
  }

  /** @param {Span} strip what the strip shows */
  show(strip) {
    this.#strip = strip;
    const { from, to } = this.chosen;
    const share = (/** @type {number} */ at) => Math.min(1, Math.max(0, shareOf(strip, at)));
    this.#fill.hidden = !(to > strip.from && from < strip.to);
    this.#fill.style.left = `${share(from) * 100}%`;
    this.#fill.style.width = `${(share(to) - share(from)) * 100}%`;
    for (const edge of /** @type {Edge[]} */ (["from", "to"])) {
      const [at, element] = [this.chosen[edge], this.#edges[edge]];
      element.hidden = !(at >= strip.from && at <= strip.to);
      element.style.left = `${share(at) * 100}%`;
      element.setAttribute("aria-valuemin", strip.from.toFixed(0));
      element.setAttribute("aria-valuemax", strip.to.toFixed(0));
      element.setAttribute("aria-valuenow", at.toFixed(0));
      element.setAttribute("aria-valuetext", momentInWords(at));
    }
  }

  /** Put an edge at a time; the other one gives way. @param {Edge} edge @param {number} at @param {number} least length */
  set(edge, at, least = 0) {
    const { from, to } = this.chosen;
    this.chosen = edge === "from" ? { from: at, to: to > at ? to : at + least } : { from: from < at ? from : at - least, to: at };
  }

  /** @param {Edge} edge */
  #edge(edge) {
    const element = make("div", { class: "range-edge", role: "slider", tabindex: "0", "aria-label": NAMES[edge], "data-edge": edge });
    element.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      event.stopPropagation(); // to the page they mean to go on or back
      const at = this.chosen[edge] + way * STEP_S * (event.shiftKey ? 10 : 1);
      if (edge === "from" ? at >= this.chosen.to : at <= this.chosen.from) return;
      this.set(edge, at);
      this.#onchange(at, true);
    });
    return element;
  }

  #listen() {
    const timeOf = (/** @type {PointerEvent} */ event) => {
      const box = this.element.getBoundingClientRect();
      return timeAt(this.#strip, (event.clientX - box.left) / box.width);
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !(event.target instanceof HTMLElement)) return;
      const edge = /** @type {Edge | undefined} */ (event.target.dataset["edge"]) ?? "";
      this.element.setPointerCapture(event.pointerId);
      this.#drag = { x: event.clientX, at: edge ? this.chosen[edge === "from" ? "to" : "from"] : timeOf(event), edge, moved: false };
    });
    this.element.addEventListener("pointermove", (event) => {
      const drag = this.#drag;
      if (!drag || (!drag.moved && Math.abs(event.clientX - drag.x) < MOVED_PX)) return;
      drag.moved = true;
      this.#stretch(drag.at, timeOf(event), false);
    });
    this.element.addEventListener("pointerup", (event) => {
      const drag = this.#drag;
      this.#drag = null;
      if (drag?.moved) this.#stretch(drag.at, timeOf(event), true);
      else if (drag && !drag.edge) this.#onpick(timeOf(event));
    });
    this.element.addEventListener("pointercancel", () => (this.#drag = null));
  }

  /** @param {number} anchor the edge that stays @param {number} at @param {boolean} done */
  #stretch(anchor, at, done) {
    this.chosen = { from: Math.min(anchor, at), to: Math.max(anchor, at) };
    this.#onchange(at, done);
  }
}
