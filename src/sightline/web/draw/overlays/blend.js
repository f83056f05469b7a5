/** Dyes areas and keeps the picture's brightness (the V of HSV). Twin of `renderers/blend.py`. */

import { t } from "../../lib/i18n.js";
import { color } from "../../lib/palette.js";
import { isBackground } from "../../wire/findings.js";
import { areas, blank, lay, layer, workSize } from "../layers.js";
import { byValue, opaque } from "../mask.js";

export const name = "blend";
export const title = t`Blend`;
export const needs = "mask";
export const opacity = 0.7;

/** @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  const { mask, findings } = picture;
  if (!mask || !findings) return;
  const dyed = layer(picture, "blend", () => {
    const { width, height } = workSize(picture);
    const copy = blank(width, height);
    copy.drawImage(picture.image, 0, 0, width, height);
    const { data } = copy.getImageData(0, 0, width, height);
    const shades = byValue(findings, (row) => (isBackground(row) ? 0 : brightest(row.class_id)));
    return areas(mask, shades, { width, height }, false, (values) => dye(data, values, shades));
  });
  lay(context, dyed, place, brush.opacity);
}

/** Brightest shade of a class's colour, as 0xAABBGGRR. @param {number} classId */
function brightest(classId) {
  const [r, g, b] = color(classId);
  const scale = 255 / Math.max(r, g, b);
  return opaque([Math.round(r * scale), Math.round(g * scale), Math.round(b * scale)]);
}

/**
 * @param {Uint8ClampedArray} data the picture, RGBA @param {Uint8Array} values of the mask, one for each pixel
 * @param {Uint32Array} shades by value; 0 is see-through
 */
export function dye(data, values, shades) {
  const pixels = new Uint32Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    const shade = shades[/** @type {number} */ (values[i])];
    if (!shade) continue;
    const bright = Math.max(data[4 * i] ?? 0, data[4 * i + 1] ?? 0, data[4 * i + 2] ?? 0) / 255;
    const r = Math.round((shade & 255) * bright);
    const g = Math.round(((shade >> 8) & 255) * bright);
    const b = Math.round(((shade >> 16) & 255) * bright);
    pixels[i] = (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
  }
  return pixels;
}
