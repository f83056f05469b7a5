/** Masks: greyscale PNGs whose values are instance numbers or class ids, made into a coloured layer to lay on top. */

import { color } from "./palette.js";
import { isBackground } from "./messages.js";

/**
 * The colour of each mask value as 0xAABBGGRR, which is R, G, B, A in memory; 0 is see-through.
 *
 * @param {import("./messages.js").Findings} findings
 * @returns {Uint32Array} 256 entries
 */
export function maskColors(findings) {
  const table = new Uint32Array(256);
  if (findings.mask_kind === "classes") {
    for (const segment of findings.segments ?? []) {
      if (!isBackground(segment)) table[segment.class_id] = packed(segment.class_id);
    }
  } else {
    findings.detections.slice(0, 255).forEach((d, row) => (table[row + 1] = packed(d.class_id)));
  }
  return table;
}

/** @param {number} classId */
function packed(classId) {
  const [r, g, b] = color(classId);
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * Replace each pixel's red value, which is the mask's, by its colour.
 *
 * @param {Uint32Array} pixels RGBA @param {Uint32Array} table
 */
export function colorize(pixels, table) {
  for (let i = 0; i < pixels.length; i += 1) {
    pixels[i] = table[/** @type {number} */ (pixels[i]) & 0xff] ?? 0;
  }
}

/**
 * Decode a mask and colour it.
 *
 * @param {Uint8Array<ArrayBuffer>} png
 * @param {import("./messages.js").Findings} findings
 * @returns {Promise<HTMLCanvasElement>} of the mask's size
 */
export async function maskLayer(png, findings) {
  const blob = new Blob([png], { type: "image/png" });
  // Values are numbers, not colours: nothing may convert them.
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no 2d context");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  colorize(new Uint32Array(image.data.buffer), maskColors(findings));
  context.putImageData(image, 0, 0);
  return canvas;
}
