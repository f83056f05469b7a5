/** Canvases that overlays lay over a picture. Each is made once per picture, however often it is painted. */

import { byValue, maskColors, softOf, valuesAt } from "./mask.js";

const MAX_SIDE = 1280;

/**
 * @typedef {import("../wire/findings.js").Picture} Picture
 * @typedef {{opacity: number, labels: boolean, tracks: boolean, ratio: number,
 *   trails?: import("./trails.js").TrailsById}} Brush `opacity` is 0 to 1; `labels`:
 *   write names; `tracks`: a colour for each track, not for each class; `ratio`: pixels of the canvas for one of the page
 * @typedef {(context: CanvasRenderingContext2D, picture: Picture, place: import("../lib/geometry.js").Rect, brush: Brush)
 *   => void} Draw over the picture, which is there already
 */

/** Layers of each picture, by name. @type {WeakMap<Picture, Map<string, HTMLCanvasElement>>} */
const layers = new WeakMap();

/**
 * @param {number} width @param {number} height
 * @returns {CanvasRenderingContext2D} of a new canvas
 */
export function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no 2d context");
  return context;
}

/**
 * A picture's layer of this name. It is made if it is not there yet.
 *
 * @param {Picture} picture @param {string} name @param {() => HTMLCanvasElement} make
 */
export function layer(picture, name, make) {
  const named = layers.get(picture) ?? new Map();
  layers.set(picture, named);
  const made = named.get(name) ?? make();
  named.set(name, made);
  return made;
}

/** Size in which a layer is computed: the picture's, unless that is very large. @param {Picture} picture */
export function workSize({ width, height }, most = MAX_SIDE) {
  const scale = Math.min(1, most / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** Canvas made of pixels, each 0xAABBGGRR. @param {Uint32Array} pixels @param {number} width @param {number} height */
export function canvasOf(pixels, width, height) {
  const context = blank(width, height);
  const image = context.createImageData(width, height);
  new Uint32Array(image.data.buffer).set(pixels);
  context.putImageData(image, 0, 0);
  return context.canvas;
}

/**
 * Canvas of a picture's mask in its classes' colours, or its tracks', at the mask's size.
 *
 * @param {Picture} picture @param {boolean} tracks
 * @returns {HTMLCanvasElement | null}
 */
export function colored(picture, tracks = false) {
  const { mask, findings } = picture;
  if (!mask || !findings) return null;
  return layer(picture, tracks ? "colored by track" : "colored", () => {
    const table = maskColors(findings, tracks);
    const soft = softOf(mask, table);
    if (soft) return shared(soft, table[1]);
    const pixels = Uint32Array.from(mask.values, (value) => table[value] ?? 0);
    return canvasOf(pixels, mask.width, mask.height);
  });
}

/**
 * Canvas of shares of 255, at their own size, in one colour. Enlarged it has no steps.
 *
 * @param {import("../wire/mask.js").Mask} share @param {number} [color] 0xAABBGGRR
 */
function shared({ width, height, values }, color = 0) {
  const pixels = Uint32Array.from(values, (value) => ((value << 24) | (color & 0xffffff)) >>> 0);
  return canvasOf(pixels, width, height);
}

/** Keep of a layer only the shares. @param {CanvasRenderingContext2D} context @param {HTMLCanvasElement} shares */
function keep(context, shares) {
  context.globalCompositeOperation = "destination-in";
  context.drawImage(shares, 0, 0, context.canvas.width, context.canvas.height);
  context.globalCompositeOperation = "source-over";
}

/**
 * Layer made of a mask's values at a picture's size, soft where the mask is.
 *
 * @param {import("../wire/mask.js").Mask} mask @param {Uint32Array} table of what its values are drawn in
 * @param {{width: number, height: number}} size @param {boolean} hard whether edges stay hard, but without steps
 * @param {(values: Uint8Array) => Uint32Array} make its pixels
 */
export function areas(mask, table, { width, height }, hard, make) {
  const soft = softOf(mask, table);
  if (!soft) return canvasOf(make(valuesAt(mask, width, height)), width, height);
  if (hard) {
    const context = blank(width, height);
    context.drawImage(shared(soft), 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const values = Uint8Array.from({ length: width * height }, (_, i) => Number((data[4 * i + 3] ?? 0) >= 128));
    return canvasOf(make(values), width, height);
  }
  const canvas = canvasOf(make(new Uint8Array(width * height).fill(1)), width, height);
  const context = canvas.getContext("2d");
  if (context) keep(context, shared(soft));
  return canvas;
}

/** True for the class of people, also as ADE20K writes it, with other words after it. @param {string} label */
export function isPerson(label) {
  return firstName(label) === "person";
}

/** A class's name without its synonyms, in small letters. @param {string} label */
export function firstName(label) {
  return label.split(/[,;]/)[0]?.trim().toLowerCase() ?? "";
}

/**
 * Cut people out of a layer that covers the picture, with soft edges.
 *
 * @param {CanvasRenderingContext2D} context the layer @param {Picture} picture
 */
export function cutPeopleOut(context, picture) {
  const { mask, findings } = picture;
  if (!mask || !findings) return;
  const person = byValue(findings, (row) => Number(isPerson(row.class_name)));
  const soft = person[0] === person[1] ? null : mask.alpha;
  const others = soft
    ? { ...soft, values: person[1] ? soft.values.map((value) => 255 - value) : soft.values }
    : { ...mask, values: mask.values.map((value) => (person[value] ? 0 : 255)) };
  keep(context, shared(others));
}

/**
 * @param {CanvasRenderingContext2D} context @param {CanvasImageSource} image
 * @param {import("../lib/geometry.js").Rect} place @param {number} opacity 0 to 1
 */
export function lay(context, image, place, opacity) {
  context.globalAlpha = opacity;
  context.drawImage(image, place.x, place.y, place.width, place.height);
  context.globalAlpha = 1;
}
