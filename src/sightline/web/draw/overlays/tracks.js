/** Draws boxes in a colour for each track, with the way that each object came. Twin of `renderers/tracks.py`. */

import { t } from "../../lib/i18n.js";
import { color } from "../../lib/palette.js";
import { colored, lay } from "../layers.js";
import { drawFound } from "./boxes.js";

export const name = "tracks";
export const title = t`Tracks`;
export const needs = "nothing";
export const opacity = 0.5;

/** @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  const areas = colored(picture, true);
  if (areas) lay(context, areas, place, brush.opacity);
  context.globalAlpha = Math.min(1, 2 * brush.opacity);
  context.lineJoin = context.lineCap = "round";
  context.lineWidth = 2 * brush.ratio;
  for (const { tracker_id } of picture.findings?.detections ?? []) {
    const trail = tracker_id === undefined ? undefined : brush.trails?.get(tracker_id);
    if (tracker_id === undefined || !trail) continue;
    context.strokeStyle = `rgb(${color(tracker_id).join(" ")})`;
    context.beginPath();
    for (const { x, y } of trail) context.lineTo(place.x + x * place.width, place.y + y * place.height);
    context.stroke();
  }
  context.globalAlpha = 1;
  drawFound(context, picture, place, { ...brush, tracks: true });
}
