/** Puts people in front of a plain wall. Twin of `renderers/replace_background.py`. */

import { t } from "../../lib/i18n.js";
import { blank, cutPeopleOut, lay, layer, workSize } from "../layers.js";

const SIDE = 640;
const TOP = "rgb(52 72 92)";
const BOTTOM = "rgb(20 28 40)";

export const name = "replace_background";
export const title = t`Replace background`;
export const needs = "person";
export const opacity = 1;

/** @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  const wall = layer(picture, "wall", () => {
    const { width, height } = workSize(picture, SIDE);
    const paint = blank(width, height);
    const down = paint.createLinearGradient(0, 0, 0, height);
    down.addColorStop(0, TOP);
    down.addColorStop(1, BOTTOM);
    paint.fillStyle = down;
    paint.fillRect(0, 0, width, height);
    cutPeopleOut(paint, picture);
    return paint.canvas;
  });
  lay(context, wall, place, brush.opacity);
}
