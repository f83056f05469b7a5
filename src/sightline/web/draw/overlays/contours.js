/** Draws the edges of areas in their class's colour. Twin of `renderers/contours.py`. */

import { t } from "../../lib/i18n.js";
import { areas, lay, layer, workSize } from "../layers.js";
import { maskColors } from "../mask.js";

export const name = "contours";
export const title = t`Contours`;
export const needs = "mask";
export const opacity = 1;

/** @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  const { mask, findings } = picture;
  if (!mask || !findings) return;
  const lines = layer(picture, "contours", () => {
    const { width, height } = workSize(picture);
    const table = maskColors(findings);
    return areas(mask, table, { width, height }, true, (values) => edges(values, width, height, table));
  });
  lay(context, lines, place, brush.opacity);
}

/**
 * Pixels of the edges. A pixel is coloured where one a few pixels away, in any of four directions, is of another area.
 *
 * @param {Uint8Array} values @param {number} width @param {number} height @param {Uint32Array} table
 */
export function edges(values, width, height, table) {
  const reach = Math.max(1, Math.floor((width + height) / 400));
  const pixels = new Uint32Array(values.length);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x;
      const value = /** @type {number} */ (values[i]);
      const color = table[value];
      if (!color) continue;
      const differs =
        (x >= reach && values[i - reach] !== value) ||
        (x + reach < width && values[i + reach] !== value) ||
        (y >= reach && values[i - reach * width] !== value) ||
        (y + reach < height && values[i + reach * width] !== value);
      if (differs) pixels[i] = color;
    }
  }
  return pixels;
}
