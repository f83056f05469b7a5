/** Draws a picture together with a model's findings in it, so that boxes stay on their pixels. */

import { WHOLE, framed } from "../lib/geometry.js";
import { AUTO, AUTO_OPACITY, choose } from "./modes.js";
import { Trails } from "./trails.js";

const MAX_SIDE = 2560;
/** Height of a picture on a page, for which lines and letters are meant. */
const USUAL = 540;

/**
 * @typedef {import("../wire/findings.js").Picture} Picture
 * @typedef {{overlay: boolean, labels: boolean, tracks: boolean, mode: string, opacity: number,
 *   known: readonly string[] | null}} Options
 *   `known`: the model's classes, once the page has heard of them
 * @typedef {ReturnType<typeof choose> | null} Chosen
 * @typedef {import("../lib/geometry.js").Rect} Rect
 * @typedef {(context: CanvasRenderingContext2D, picture: Picture, place: Rect, ratio: number) => void} Over draws at the picture's place, with so many pixels of the canvas for one of the page
 */

export class Painter {
  #canvas;
  #context;
  /** @type {Picture | null} */
  #picture = null;
  /** The picture that stays, while a newer one may be there. @type {Picture | null} */
  #frozen = null;
  #trails = new Trails();
  /** Those of a picture that is shown once more. @type {Trails | null} */
  #heldTrails = null;
  /** @type {Options} */
  options = { overlay: true, labels: true, tracks: false, mode: AUTO, opacity: AUTO_OPACITY, known: null };
  /** Which part of the picture is shown, and how large. @type {Readonly<import("../lib/geometry.js").View>} */
  view = WHOLE;
  /** Where the picture is, in pixels of the page from the canvas' corner; null without one. @type {Rect | null} */
  place = null;
  /** What is drawn over each picture, whatever the mode, in this order. @type {Set<Over>} */
  overs = new Set();
  /** What is drawn of a picture: all that was found, or a part. @type {(picture: Picture) => Picture} */
  filter = (picture) => picture;
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
    if (this.#picture?.image !== this.#frozen?.image) this.#picture?.image.close();
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

  /** The picture that is shown now, if any. @returns {Picture | null} */
  get shown() {
    const picture = this.#frozen ?? this.#picture;
    return picture && this.filter(picture);
  }

  /** Size of all that is shown of it, in its pixels; null without a picture. */
  get whole() {
    if (!this.shown) return null;
    const { width, height } = this.shown;
    return { width: width * (this.#mode(this.shown)?.mode.across ?? 1), height };
  }

  get frozen() {
    return this.#frozen !== null;
  }

  /** Have the present picture stay, or show the newest again. @param {boolean} on */
  freeze(on) {
    if (on === this.frozen) return;
    const before = this.#frozen;
    this.#frozen = on ? this.#picture : null;
    this.#heldTrails = null;
    if (!on && before?.image !== this.#picture?.image) before?.image.close();
    if (!on && this.#picture) this.#note(this.#picture);
  }

  /**
   * Have another picture stay in place of the one that does. The painter owns it from then on.
   *
   * @param {Picture} picture @param {Trails} trails of the objects in it
   */
  hold(picture, trails) {
    const before = this.#frozen;
    this.#frozen = picture;
    this.#heldTrails = trails;
    if (before?.image !== this.#picture?.image) before?.image.close();
    this.repaint();
  }

  /** @param {Picture} picture */
  #note(picture) {
    if (this.#frozen) return;
    this.#trails.add(picture, performance.now());
    if (picture.findings?.detections.some(({ tracker_id }) => tracker_id !== undefined)) this.ontracks();
    this.repaint();
  }

  clear() {
    this.freeze(false);
    this.#picture?.image.close();
    this.#picture = null;
    this.#trails.clear();
    this.repaint();
  }

  /** Draw again, after the options or the size changed. */
  repaint() {
    const ratio = this.#fit();
    const { width, height } = this.#canvas;
    this.#context.clearRect(0, 0, width, height);
    this.place = null;
    if (!this.shown || !width) return;
    const chosen = this.#mode(this.shown);
    if (chosen && chosen.why !== null) this.onwhy(chosen.why);
    const place = placed(this.shown, chosen, width, height, this.view);
    this.place = { x: place.x / ratio, y: place.y / ratio, width: place.width / ratio, height: place.height / ratio };
    this.#paint(this.#context, this.shown, chosen, place, ratio);
  }

  /** Draw again at once if the canvas has another size by now: `place` is where the picture is, not where it was in the last frame. */
  keepUp() {
    const { width, height } = this.#canvas;
    this.#fit();
    if (this.#canvas.width !== width || this.#canvas.height !== height) this.repaint();
  }

  /**
   * The picture that is shown now in its own size, whatever part of it is in view.
   *
   * @param {boolean} drawn with all that is drawn over it
   * @returns {HTMLCanvasElement | null} null without a picture
   */
  copy(drawn) {
    const picture = this.shown;
    if (!picture) return null;
    const chosen = drawn ? this.#mode(picture) : null;
    const canvas = document.createElement("canvas");
    canvas.width = picture.width * (chosen?.mode.across ?? 1);
    canvas.height = picture.height;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const place = placed(picture, chosen, canvas.width, canvas.height, WHOLE);
    if (drawn) this.#paint(context, picture, chosen, place, Math.max(1, picture.height / USUAL));
    else context.drawImage(picture.image, place.x, place.y, place.width, place.height);
    return canvas;
  }

  /** @param {Picture} picture */
  #mode(picture) {
    const { overlay, mode, known } = this.options;
    return overlay && picture.findings ? choose(mode, picture, known) : null;
  }

  /** @param {CanvasRenderingContext2D} context @param {Picture} picture @param {Chosen} chosen @param {Rect} place @param {number} ratio */
  #paint(context, picture, chosen, place, ratio) {
    const { opacity, labels, tracks } = this.options;
    context.drawImage(picture.image, place.x, place.y, place.width, place.height);
    chosen?.mode.draw(context, picture, place, { opacity, labels, tracks, ratio, trails: (this.#heldTrails ?? this.#trails).all });
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

/**
 * Where a picture is: the left one where its mode shows it twice.
 *
 * @param {Picture} picture @param {Chosen} chosen @param {number} width @param {number} height of the canvas
 * @param {Readonly<import("../lib/geometry.js").View>} view
 * @returns {Rect}
 */
function placed(picture, chosen, width, height, view) {
  const across = chosen?.mode.across ?? 1;
  const whole = framed(picture.width * across, picture.height, width, height, view);
  return { ...whole, width: whole.width / across };
}
