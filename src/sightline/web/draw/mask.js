/** Meanings and colours of a mask's values. */

import { color } from "../lib/palette.js";
import { isBackground } from "../wire/findings.js";

/**
 * @typedef {import("../wire/findings.js").Findings} Findings
 * @typedef {import("../wire/mask.js").Mask} Mask
 */

/**
 * The colour of each mask value as 0xAABBGGRR, which is R, G, B, A in memory; 0 is see-through.
 *
 * @param {Findings} findings
 * @param {boolean} tracks a colour for each track, where there is one, not for each class
 * @returns {Uint32Array} 256 entries
 */
export function maskColors(findings, tracks = false) {
  return byValue(findings, (row) => {
    if (isBackground(row)) return 0;
    return opaque(color((tracks ? row.tracker_id : undefined) ?? row.class_id));
  });
}

/**
 * A number for each mask value, from the row or class that it stands for; 0 for all others. A mask of another kind,
 * which a plugin may give, has no values that this page knows.
 *
 * @param {Findings} findings
 * @param {(row: {class_id: number, class_name: string, tracker_id?: number}) => number} of
 * @returns {Uint32Array} 256 entries
 */
export function byValue(findings, of) {
  const table = new Uint32Array(256);
  if (findings.mask_kind === "classes") {
    for (const segment of findings.segments ?? []) table[segment.class_id] = of(segment);
  } else if ((findings.mask_kind ?? "instances") === "instances") {
    findings.detections.slice(0, 255).forEach((detection, row) => (table[row + 1] = of(detection)));
  }
  return table;
}

/**
 * The soft edges of a mask of which only class 1 is drawn; null without them.
 *
 * @param {Mask} mask @param {Uint32Array} table of all values; 0 is see-through
 */
export function softOf({ alpha }, table) {
  return alpha && !table[0] && table[1] ? alpha : null;
}

/** @param {import("../lib/palette.js").Rgb} rgb @returns {number} 0xAABBGGRR */
export function opaque([r, g, b]) {
  return (0xff000000 | (b << 16) | (g << 8) | r) >>> 0;
}

/**
 * Values of a mask at a picture's size. A value is repeated, never mixed with its neighbours.
 *
 * @param {Mask} mask @param {number} width @param {number} height
 */
export function valuesAt(mask, width, height) {
  const values = new Uint8Array(width * height);
  const columns = Array.from({ length: width }, (_, x) => Math.floor((x * mask.width) / width));
  for (let y = 0; y < height; y += 1) {
    const row = Math.floor((y * mask.height) / height) * mask.width;
    const to = y * width;
    for (let x = 0; x < width; x += 1) values[to + x] = mask.values[row + /** @type {number} */ (columns[x])] ?? 0;
  }
  return values;
}
