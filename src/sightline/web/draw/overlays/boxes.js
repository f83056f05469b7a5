/** Draws boxes with names over filled masks. Twin of `renderers/boxes.py`. */

import { score } from "../../lib/format.js";
import { project } from "../../lib/geometry.js";
import { className, t } from "../../lib/i18n.js";
import { color, textColor } from "../../lib/palette.js";
import { faceOf, placeLabels } from "../labels.js";
import * as filled from "./filled.js";

export const name = "boxes";
export const title = t`Boxes`;
export const needs = "nothing";
export const opacity = 0.5;

const LETTERS = { least: 10, most: 16, share: 1 / 36 }; // pixels of the page, and of the picture's height

/** @typedef {import("../../lib/geometry.js").Rect} Rect */
/** @typedef {import("../../wire/findings.js").Detection} Detection */
/** @typedef {{box: Rect, id: number, detection: Detection}} Found `id` has the colour */

/** Boxes are solid unless opacity is below a half, where they begin to fade. @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  filled.draw(context, picture, place, brush);
  drawFound(context, picture, place, brush);
}

/** Boxes with their names, without masks. @type {import("../layers.js").Draw} */
export function drawFound(context, picture, place, brush) {
  if (!picture.findings) return;
  const { least, most, share } = LETTERS;
  const letters = brush.ratio * Math.max(least, Math.min(most, (place.height / brush.ratio) * share));
  context.globalAlpha = Math.min(1, 2 * brush.opacity);
  // The most confident one on top.
  const found = [...picture.findings.detections]
    .sort((a, b) => a.confidence - b.confidence)
    .map((detection) => ({
      detection,
      box: project(detection.xyxy, picture.width, picture.height, place),
      id: (brush.tracks ? detection.tracker_id : undefined) ?? detection.class_id,
    }));
  for (const { box, id } of found) drawBox(context, box, css(color(id)), letters / 12);
  if (brush.labels) drawLabels(context, found, place, letters);
  context.globalAlpha = 1;
}

/** @param {readonly [number, number, number]} rgb */
function css([r, g, b]) {
  return `rgb(${r} ${g} ${b})`;
}

/** @param {CanvasRenderingContext2D} context @param {Rect} box @param {string} stroke @param {number} unit */
function drawBox(context, box, stroke, unit) {
  context.lineJoin = "round";
  // A dark edge around the line keeps it readable on a picture of its own colour.
  context.strokeStyle = "rgb(0 0 0 / 0.55)";
  context.lineWidth = 4 * unit;
  context.strokeRect(box.x, box.y, box.width, box.height);
  context.strokeStyle = stroke;
  context.lineWidth = 2 * unit;
  context.strokeRect(box.x, box.y, box.width, box.height);
}

/**
 * @param {CanvasRenderingContext2D} context @param {Found[]} found @param {Rect} place @param {number} letters
 */
function drawLabels(context, found, place, letters) {
  const unit = letters / 12;
  context.font = `600 ${letters}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const texts = found.map(({ detection }) => wordings(detection));
  const named = found.map(({ box, detection }, i) => ({
    box,
    face: faceOf(detection.class_name),
    widths: (texts[i] ?? []).map((text) => context.measureText(text).width + 10 * unit),
  }));
  placeLabels(named, 18 * unit, place).forEach((label, i) => {
    const id = found[i]?.id ?? 0;
    const text = texts[i]?.[label?.wording ?? 0];
    if (!label || !text) return;
    context.fillStyle = css(color(id));
    context.fillRect(label.x - unit, label.y, label.width, label.height);
    context.fillStyle = css(textColor(id));
    context.fillText(text, label.x + 4 * unit, label.y + label.height / 2 + 0.5 * unit);
  });
}

/** What a label may say, at best and where room is short. @param {Detection} detection */
function wordings({ class_name, confidence, tracker_id }) {
  const name = className(class_name);
  if (tracker_id === undefined) return [`${name} ${score(confidence)}`, name];
  return [`#${tracker_id} ${name} ${score(confidence)}`, `#${tracker_id}`];
}
