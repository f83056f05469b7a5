/** One stream's hours as a strip: what is recorded, motion, classes, events. It is drawn; a slider is its name for others. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { inWords } from "../events/words.js";
import { LANE_HEIGHT, drawLane, laneInWords } from "./replay/lane.js";
import { shareOf, timeAt } from "./scale.js";
import { gapInWords, momentInWords } from "./words.js";

/**
 * @typedef {import("./scale.js").Span} Span
 * @typedef {import("../../wire/recordings.js").Marks} Marks
 * @typedef {import("../../wire/recordings.js").Gap} Gap
 * @typedef {import("../../wire/events.js").Happening} Happening
 * @typedef {import("../../wire/replays.js").Outcome} Outcome
 * @typedef {{marks: Marks | null, gaps: Gap[], events: Happening[], again?: Outcome | null}} Content `again`: what came of looking at it again
 * @typedef {{
 *   onpick: (stream: string, at: number, done: boolean) => void,
 *   onhover: (stream: string, at: number | null, x: number, top: number) => void,
 *   onzoom: (times: number, at: number) => void,
 * }} Events `done`: the finger is up
 */

const LANE = 8;
const MOST_LANES = 5;
const EVENTS_HEIGHT = 14;
const MOTION_HEIGHT = 24;

export class Strip {
  element;
  #stream;
  #canvas = make("canvas", { "aria-hidden": "true" });
  #cursor = make("div", { class: "strip-cursor", "aria-hidden": "true" });
  #slider;
  #events;
  /** @type {Span} */
  #span = { from: 0, to: 1 };
  /** @type {Content} */
  #content = { marks: null, gaps: [], events: [] };
  #colorOf;
  #dragging = false;
  #at = NaN;
  /** Where the pointer is in the window; null while it is elsewhere. @type {number | null} */
  #pointer = null;

  /** @param {string} stream @param {string} name @param {Events} events @param {(name: string) => string} colorOf a class */
  constructor(stream, name, events, colorOf) {
    this.#stream = stream;
    this.#events = events;
    this.#colorOf = colorOf;
    this.#slider = make(
      "div",
      { class: "strip-time", role: "slider", tabindex: "0", "aria-label": t`Time in “${name}”`, "aria-orientation": "horizontal" },
      this.#canvas,
      this.#cursor,
    );
    this.element = make("div", { class: "strip", "data-stream": stream }, make("p", { class: "strip-name" }, name), this.#slider);
    new ResizeObserver(() => this.draw()).observe(this.#slider);
    this.#listen();
  }

  /** @param {Span} span @param {Content} content */
  show(span, content) {
    this.#span = span;
    this.#content = content;
    this.draw();
    this.move(this.#at);
    if (this.#pointer !== null) this.#hover(this.#pointer); // there may be something else under it
  }

  /** Tell what is under the pointer. @param {number | null} x null where it is elsewhere */
  #hover(x) {
    this.#pointer = x;
    if (x === null) return this.#events.onhover(this.#stream, null, 0, 0);
    const { left, width, top } = this.#slider.getBoundingClientRect();
    this.#events.onhover(this.#stream, timeAt(this.#span, (x - left) / width), x, top);
  }

  /** Put the cursor at a time. @param {number} at NaN for none */
  move(at) {
    this.#at = at;
    const share = shareOf(this.#span, at);
    const seen = share >= 0 && share <= 1;
    this.#cursor.hidden = !seen;
    if (seen) this.#cursor.style.left = `${share * 100}%`;
    this.#slider.setAttribute("aria-valuemin", this.#span.from.toFixed(0));
    this.#slider.setAttribute("aria-valuemax", this.#span.to.toFixed(0));
    this.#slider.setAttribute("aria-valuenow", Number.isFinite(at) ? at.toFixed(0) : this.#span.to.toFixed(0));
    this.#slider.setAttribute("aria-valuetext", Number.isFinite(at) ? momentInWords(at) : t`no time chosen`);
  }

  /** @param {boolean} on this one plays */
  choose(on) {
    this.element.dataset["chosen"] = String(on);
  }

  /** What is said of a place on the strip: what happened, or why there is nothing. @param {number} at @returns {string} */
  wordsAt(at) {
    const near = (this.#span.to - this.#span.from) / 150;
    const now = Date.now() / 1000;
    const event = this.#content.events.find((one) => one.started_at - near <= at && at <= (one.ended_at ?? now) + near);
    const again = this.#content.again ? laneInWords(this.#content.again, at, near) : "";
    if (event || again) return [event && inWords(event, now), again].filter(Boolean).join(" · ");
    const gap = this.#content.gaps.find((one) => one.from <= at && at < one.to);
    if (gap) return gapInWords(gap);
    return this.#content.marks && !this.isRecorded(at) ? t`Nothing recorded` : "";
  }

  /** Whether there is a picture of a time. @param {number} at */
  isRecorded(at) {
    const { marks } = this.#content;
    const motion = marks?.motion[Math.floor((at - marks.from) / marks.bucket_s)];
    return motion !== null && motion !== undefined;
  }

  #listen() {
    const slider = this.#slider;
    const timeOf = (/** @type {PointerEvent | WheelEvent} */ event) => {
      const box = slider.getBoundingClientRect();
      return timeAt(this.#span, (event.clientX - box.left) / box.width);
    };
    slider.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.#dragging = true;
      slider.setPointerCapture(event.pointerId);
      this.#hover(event.clientX);
      this.#events.onpick(this.#stream, timeOf(event), false);
    });
    slider.addEventListener("pointermove", (event) => {
      this.#hover(event.clientX);
      if (this.#dragging) this.#events.onpick(this.#stream, timeOf(event), false);
    });
    const end = (/** @type {PointerEvent} */ event) => {
      if (!this.#dragging) return;
      this.#dragging = false;
      this.#events.onpick(this.#stream, timeOf(event), true);
      if (event.pointerType !== "mouse") this.#hover(null);
    };
    slider.addEventListener("pointerup", end);
    slider.addEventListener("pointercancel", end);
    slider.addEventListener("pointerleave", () => this.#dragging || this.#hover(null));
    slider.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // else the page scrolls
      event.preventDefault();
      this.#events.onzoom(event.deltaY > 0 ? 1.25 : 0.8, timeOf(event));
    }, { passive: false });
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.#slider;
    if (!width || !height) return;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const context = this.#canvas.getContext("2d");
    if (!context) return;
    context.scale(ratio, ratio);
    const ink = getComputedStyle(this.#canvas); // where the style sheet's colours are resolved for this theme
    const x = (/** @type {number} */ at) => shareOf(this.#span, at) * width;
    const motionTop = height - MOTION_HEIGHT;
    this.#drawRecorded(context, x, motionTop, ink);
    this.#drawGaps(context, x, height, ink);
    const { again } = this.#content;
    this.#drawClasses(context, x, EVENTS_HEIGHT + (again ? LANE_HEIGHT : 0), motionTop);
    if (again) drawLane(context, again, x, EVENTS_HEIGHT, ink);
    for (const one of this.#content.events) {
      const left = x(one.started_at);
      const right = Math.max(left + 3, x(one.ended_at ?? Math.max(one.started_at, Date.now() / 1000)));
      if (right < 0 || left > width) continue;
      context.fillStyle = one.kind === "rule" ? ink.textDecorationColor : ink.outlineColor;
      context.fillRect(Math.max(0, left), one.kind === "rule" ? 1 : 4, Math.min(width, right) - Math.max(0, left), EVENTS_HEIGHT - 8);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {(at: number) => number} x @param {number} top @param {CSSStyleDeclaration} ink */
  #drawRecorded(context, x, top, ink) {
    const { marks } = this.#content;
    if (!marks) return;
    marks.motion.forEach((motion, n) => {
      if (motion === null) return;
      const left = x(marks.from + n * marks.bucket_s);
      const right = x(marks.from + (n + 1) * marks.bucket_s);
      context.fillStyle = ink.borderTopColor;
      context.fillRect(left, top, right - left + 0.5, MOTION_HEIGHT);
      const high = Math.round(Math.min(1, Math.sqrt(motion)) * (MOTION_HEIGHT - 2));
      context.fillStyle = ink.color;
      context.fillRect(left, top + MOTION_HEIGHT - high, Math.max(1, right - left), high);
    });
  }

  /** @param {CanvasRenderingContext2D} context @param {(at: number) => number} x @param {number} height @param {CSSStyleDeclaration} ink */
  #drawGaps(context, x, height, ink) {
    context.strokeStyle = ink.color;
    context.lineWidth = 1;
    for (const { from, to } of this.#content.gaps) {
      const [left, right] = [Math.max(0, x(from)), Math.min(context.canvas.width, x(to))];
      if (right - left < 2) continue;
      context.save();
      context.beginPath();
      context.rect(left, height - MOTION_HEIGHT, right - left, MOTION_HEIGHT);
      context.clip();
      context.beginPath();
      for (let at = left - MOTION_HEIGHT; at < right; at += 8) {
        context.moveTo(at, height);
        context.lineTo(at + MOTION_HEIGHT, height - MOTION_HEIGHT);
      }
      context.globalAlpha = 0.5;
      context.stroke();
      context.restore();
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {(at: number) => number} x @param {number} top @param {number} bottom */
  #drawClasses(context, x, top, bottom) {
    const { marks } = this.#content;
    const lanes = lanesOf(marks).slice(0, Math.max(1, Math.min(MOST_LANES, Math.floor((bottom - top) / LANE))));
    lanes.forEach((name, lane) => {
      context.fillStyle = this.#colorOf(name);
      marks?.classes[name]?.forEach((count, n) => {
        if (!count) return;
        const left = x(marks.from + n * marks.bucket_s);
        const right = x(marks.from + (n + 1) * marks.bucket_s);
        context.fillRect(left, top + lane * LANE, Math.max(2, right - left), LANE - 2);
      });
    });
  }
}

/** Classes by how often they were seen, most first. @param {Marks | null} marks */
export function lanesOf(marks) {
  const often = (/** @type {number[]} */ counts) => counts.reduce((sum, n) => sum + (n ? 1 : 0), 0);
  return Object.entries(marks?.classes ?? {})
    .map(([name, counts]) => ({ name, n: often(counts) }))
    .filter(({ n }) => n)
    .sort((a, b) => b.n - a.n || a.name.localeCompare(b.name))
    .map(({ name }) => name);
}
