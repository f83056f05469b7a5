/** Shows the picture as it came, and beside it with its boxes. Twin of `renderers/side_by_side.py`. */

import { t } from "../../lib/i18n.js";
import * as boxes from "./boxes.js";

export const name = "side_by_side";
export const title = t`Side by side`;
export const needs = "nothing";
export const opacity = 0.5;
export const across = 2;

/** @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  const right = { ...place, x: place.x + place.width };
  context.drawImage(picture.image, right.x, right.y, right.width, right.height);
  boxes.draw(context, picture, right, brush);
}
