/** Draws a picture together with a model's findings in it, so that boxes stay on their pixels. */

import { contain } from "../lib/geometry.js";
import { AUTO, AUTO_OPACITY, choose } from "./modes.js";
import { Trails } from "./trails.js";

const MAX_SIDE = 2560;

/**
 * @typedef {import("../wire/findings.js").Picture} Picture
 * @typedef {{overlay: boolean, labels: boolean, tracks: boolean, mode: string, opacity: number,
 *   known: readonly string[] | null}} Options
 *   `known`: the model's classes, once the page has heard of them
 * @typedef {import("../lib/geometry.js").Rect} Rect
 * @typedef {(context: CanvasRenderingContext2D, picture: Picture, place: Rect, ratio: number) => void} Over draws at the picture's place, with so many pixels of the canvas for one of the page
 */

export class Painter {
  #canvas;
  #context;
  /** @type {Picture | null} */
  #picture = null;
  #trails = new Trails();
  /** @type {Options} */
  options = { overlay: true, labels: true, tracks: false, mode: AUTO, opacity: AUTO_OPACITY, known: null };
  /** Where the picture is, in pixels of the page from the canvas' corner; null without one. @type {Rect | null} */
  place = null;
  /** What is drawn over each picture, whatever the mode, in this order. @type {Set<Over>} */
  overs = new Set();
  /** Called with the reason why another mode is shown than was chosen; "" if none is. @type {(why: string) => void} */
  onwhy = () => {};
  /** Called with each picture whose objects have tracks. */
  ontracks = () => {};

  /** @param {HTMLCanvasElement} canvas whose size the style sheet gives */
  constructor(canvas) {
    const context = canvas.getContext("2d", { alpha: true });
    if (!context) throw new Error("no 2d context");
    this.#canvas = canvas;
    this.#context = context;
    new ResizeObserver(() => this.repaint()).observe(canvas);
  }

  /** Show a picture. The painter owns it from then on. @param {Picture} picture */
  show(picture) {
    this.#picture?.image.close();
    this.#picture = picture;
    this.#note(picture);
  }

  /**
   * Put what is said of the same picture now in place of what was said before.
   *
   * @param {{detections?: import("../wire/findings.js").Detection[], extras?: Record<string, object>}} said
   */
  renew({ detections, extras = {} }) {
    const findings = this.#picture?.findings;
    if (!this.#picture || !findings) return;
    if (!detections && JSON.stringify(extras) === JSON.stringify(findings.extras ?? {})) return;
    this.#picture = { ...this.#picture, findings: { ...findings, detections: detections ?? findings.detections, extras } };
    this.#note(this.#picture);
  }

  /** @param {Picture} picture */
  #note(picture) {
    this.#trails.add(picture, performance.now());
    if (picture.findings?.detections.some(({ tracker_id }) => tracker_id !== undefined)) this.ontracks();
    this.repaint();
  }

  clear() {
    this.#picture?.image.close();
    this.#picture = null;
    this.#trails.clear();
    this.repaint();
  }

  /** Draw again, after the options or the size changed. */
  repaint() {
    const ratio = this.#fit();
    const context = this.#context;
    const picture = this.#picture;
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    this.place = null;
    if (!picture || !this.#canvas.width) return;
    const { overlay, labels, tracks, mode: name, opacity, known } = this.options;
    const chosen = overlay && picture.findings ? choose(name, picture, known) : null;
    if (chosen && chosen.why !== null) this.onwhy(chosen.why);
    const across = chosen?.mode.across ?? 1;
    const whole = contain(picture.width * across, picture.height, this.#canvas.width, this.#canvas.height);
    const place = { ...whole, width: whole.width / across };
    this.place = { x: place.x / ratio, y: place.y / ratio, width: place.width / ratio, height: place.height / ratio };
    context.drawImage(picture.image, place.x, place.y, place.width, place.height);
    chosen?.mode.draw(context, picture, place, { opacity, labels, tracks, ratio, trails: this.#trails.all });
    for (const over of this.overs) over(context, picture, place, ratio);
  }

  /** Give the canvas as many pixels as the screen shows of it. Returns that number per CSS pixel. */
  #fit() {
    const { clientWidth, clientHeight } = this.#canvas;
    const longer = Math.max(clientWidth, clientHeight, 1);
    const ratio = Math.min(devicePixelRatio || 1, MAX_SIDE / longer);
    const width = Math.round(clientWidth * ratio);
    const height = Math.round(clientHeight * ratio);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    return ratio;
  }
}
