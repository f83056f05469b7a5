/** Draws boxes with names over filled masks. Twin of `renderers/boxes.py`. */

import { percent } from "../../lib/format.js";
import { labelAt, project } from "../../lib/geometry.js";
import { color, textColor } from "../../lib/palette.js";
import * as filled from "./filled.js";

export const name = "boxes";
export const title = "Boxes";
export const needs = "nothing";
export const opacity = 0.5;

/** Boxes are solid unless opacity is below a half, where they begin to fade. @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  filled.draw(context, picture, place, brush);
  if (!picture.findings) return;
  const { ratio } = brush;
  context.globalAlpha = Math.min(1, 2 * brush.opacity);
  // The most confident one on top.
  const found = [...picture.findings.detections].sort((a, b) => a.confidence - b.confidence);
  for (const detection of found) {
    const box = project(detection.xyxy, picture.width, picture.height, place);
    drawBox(context, box, css(color(detection.class_id)), ratio);
  }
  for (const detection of brush.labels ? found : []) {
    const box = project(detection.xyxy, picture.width, picture.height, place);
    drawLabel(context, detection, box, place, ratio);
  }
  context.globalAlpha = 1;
}

/** @param {readonly [number, number, number]} rgb */
function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("../../lib/geometry.js").Rect} box @param {string} stroke @param {number} ratio
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
 * @param {import("../../wire/findings.js").Detection} detection
 * @param {import("../../lib/geometry.js").Rect} box
 * @param {import("../../lib/geometry.js").Rect} place @param {number} ratio
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
