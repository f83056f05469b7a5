/** The time that was looked at again: what happened then, which frames differ, what happened now. */

import { make } from "../../../lib/dom.js";
import { t } from "../../../lib/i18n.js";

/** @typedef {import("../../../wire/replays.js").Outcome} Outcome */

const LANE = 14;

export class Band {
  #canvas = make("canvas", { role: "img" });
  element;
  /** @type {Outcome | null} */
  #outcome = null;

  /** @param {(at: number) => void} onpick */
  constructor(onpick) {
    const names = [t`Then`, t`Differs`, t`Now`].map((name) => make("span", {}, name));
    this.element = make("div", { class: "replay-band" }, make("div", { class: "replay-lanes", "aria-hidden": "true" }, ...names), this.#canvas);
    this.#canvas.addEventListener("click", ({ clientX }) => {
      const { left, width } = this.#canvas.getBoundingClientRect();
      if (this.#outcome) onpick(this.#outcome.since + ((clientX - left) / width) * (this.#outcome.until - this.#outcome.since));
    });
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
  }

  /** @param {Outcome} outcome */
  show(outcome) {
    this.#outcome = outcome;
    const { differing, then, now } = outcome;
    this.#canvas.setAttribute("aria-label", t`${then.events.length} events then, ${now.events.length} now, ${differing} frames that differ`);
    this.#draw();
  }

  #draw() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#canvas;
    const context = this.#canvas.getContext("2d");
    if (!this.#outcome || !width || !context) return;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    context.scale(ratio, ratio);
    const ink = getComputedStyle(this.#canvas);
    const { since, until, differences, then, now } = this.#outcome;
    const x = (/** @type {number} */ at) => ((at - since) / (until - since)) * width;
    context.fillStyle = ink.color;
    for (const { at } of differences) context.fillRect(x(at), LANE + 2, 1.5, LANE - 4);
    for (const [top, events] of /** @type {[number, typeof then.events][]} */ ([[0, then.events], [2 * LANE, now.events]])) {
      for (const one of events) {
        context.fillStyle = one.kind === "rule" ? ink.textDecorationColor : ink.outlineColor;
        context.fillRect(x(one.at), top + 2, Math.max(3, x(one.at + (one.seconds ?? 0)) - x(one.at)), LANE - 4);
      }
    }
  }
}
