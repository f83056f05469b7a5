/** Fills areas with their class's colour. Twin of `renderers/filled.py`. */

import { t } from "../../lib/i18n.js";
import { colored, lay } from "../layers.js";

export const name = "filled";
export const title = t`Filled`;
export const needs = "mask";
export const opacity = 0.5;

/** @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  const layer = colored(picture);
  if (layer) lay(context, layer, place, brush.opacity);
}
