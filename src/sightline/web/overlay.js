/** Draws a picture and what a model said of it, together, so that boxes stay on the pixels they belong to. */

import { contain, labelAt, project } from "./geometry.js";
import { percent } from "./format.js";
import { color, textColor } from "./palette.js";

const MAX_SIDE = 2560;

/**
 * @typedef {{
 *   image: ImageBitmap,
 *   width: number,
 *   height: number,
 *   findings: import("./messages.js").Findings | null,
 *   mask: HTMLCanvasElement | null,
 * }} Picture `width` and `height` are those that boxes are given in
 */

export class Painter {
  #canvas;
  #context;
  /** @type {Picture | null} */
  #picture = null;
  options = { overlay: true, labels: true, opacity: 0.5 };

  /** @param {HTMLCanvasElement} canvas which the style sheet gives its size */
  constructor(canvas) {
    const context = canvas.getContext("2d", { alpha: true });
    if (!context) throw new Error("no 2d context");
    this.#canvas = canvas;
    this.#context = context;
    new ResizeObserver(() => this.repaint()).observe(canvas);
  }

  /** Show a picture. It is the painter's from now on. @param {Picture} picture */
  show(picture) {
    this.#picture?.image.close();
    this.#picture = picture;
    this.repaint();
  }

  clear() {
    this.#picture?.image.close();
    this.#picture = null;
    this.repaint();
  }

  /** Draw again: the options or the size changed. */
  repaint() {
    const ratio = this.#fit();
    const context = this.#context;
    const picture = this.#picture;
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    if (!picture || !this.#canvas.width) return;
    const place = contain(picture.width, picture.height, this.#canvas.width, this.#canvas.height);
    context.drawImage(picture.image, place.x, place.y, place.width, place.height);
    const { overlay, labels, opacity } = this.options;
    if (!overlay || !picture.findings) return;
    if (picture.mask) {
      context.globalAlpha = opacity;
      context.drawImage(picture.mask, place.x, place.y, place.width, place.height);
      context.globalAlpha = 1;
    }
    // The surest on top.
    const found = [...picture.findings.detections].sort((a, b) => a.confidence - b.confidence);
    for (const detection of found) {
      const box = project(detection.xyxy, picture.width, picture.height, place);
      drawBox(context, box, css(color(detection.class_id)), ratio);
    }
    if (!labels) return;
    for (const detection of found) {
      const box = project(detection.xyxy, picture.width, picture.height, place);
      drawLabel(context, detection, box, place, ratio);
    }
  }

  /** Give the canvas as many pixels as the screen shows of it; return how many that is for one CSS pixel. */
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

/** @param {readonly [number, number, number]} rgb */
function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./geometry.js").Rect} box @param {string} stroke @param {number} ratio
 */
function drawBox(context, box, stroke, ratio) {
  context.lineJoin = "round";
  // A dark edge around the line keeps it readable on a picture of its own colour.
  context.strokeStyle = "rgb(0 0 0 / 0.55)";
  context.lineWidth = 4 * ratio;
  context.strokeRect(box.x, box.y, box.width, box.height);
  context.strokeStyle = stroke;
  context.lineWidth = 2 * ratio;
  context.strokeRect(box.x, box.y, box.width, box.height);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./messages.js").Detection} detection
 * @param {import("./geometry.js").Rect} box
 * @param {import("./geometry.js").Rect} place @param {number} ratio
 */
function drawLabel(context, detection, box, place, ratio) {
  const number = detection.tracker_id === undefined ? "" : ` #${detection.tracker_id}`;
  const text = `${detection.class_name}${number} ${percent(detection.confidence)}`;
  context.font = `600 ${12 * ratio}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const height = 18 * ratio;
  const width = context.measureText(text).width + 10 * ratio;
  const at = labelAt(box, width, height, place);
  context.fillStyle = css(color(detection.class_id));
  context.fillRect(at.x - ratio, at.y, width, height);
  context.fillStyle = css(textColor(detection.class_id));
  context.fillText(text, at.x + 4 * ratio, at.y + height / 2 + 0.5 * ratio);
}
