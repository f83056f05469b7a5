/** Blurs everything but people. Twin of `renderers/blur_background.py`. */

import { t } from "../../lib/i18n.js";
import { blank, cutPeopleOut, lay, layer, workSize } from "../layers.js";

const SIDE = 640;

export const name = "blur_background";
export const title = t`Blur background`;
export const needs = "person";
export const opacity = 0.5;

/** Opacity is the strength of the blur. @type {import("../layers.js").Draw} */
export function draw(context, picture, place, brush) {
  if (brush.opacity <= 0) return;
  const size = workSize(picture, SIDE);
  const times = halvings(brush.opacity, size);
  const behind = layer(picture, `blur ${times}`, () => {
    const blurred = blur(picture.image, size, times);
    cutPeopleOut(blurred, picture);
    return blurred.canvas;
  });
  lay(context, behind, place, 1);
}

/** @param {number} strength 0 to 1 @param {{width: number, height: number}} size */
export function halvings(strength, { width, height }) {
  return Math.max(1, Math.round(Math.log2(Math.max(2, (strength * Math.max(width, height)) / 20))));
}

/**
 * Blur by halving and doubling a few times, which every browser can do and which is wide and smooth.
 *
 * @param {CanvasImageSource} image @param {{width: number, height: number}} size @param {number} times
 */
function blur(image, size, times) {
  let blurred = blank(size.width, size.height);
  blurred.drawImage(image, 0, 0, size.width, size.height);
  const sizes = Array.from({ length: times + 1 }, (_, n) => [size.width >> n, size.height >> n]);
  for (const [width = 1, height = 1] of [...sizes.slice(1), ...sizes.slice(0, -1).reverse()]) {
    const next = blank(width, height);
    next.drawImage(blurred.canvas, 0, 0, next.canvas.width, next.canvas.height);
    blurred = next;
  }
  return blurred;
}
