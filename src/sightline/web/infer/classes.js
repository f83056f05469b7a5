/**
 * Turns logits into a class map about as large as the picture, as `models/_class_map.py` does. Pure.
 *
 * @typedef {{data: ArrayLike<number>, start: number, row: number, pixel: number, step: number, classes: number,
 *   width: number, height: number}} Logits `row`, `pixel` and `step` are the distances between two rows, pixels and classes
 */

import { round } from "./input.js";

const LONGEST = 640;
const ENLARGED = 2;

/**
 * Class map of logits. Most pixels lie between four logits of the same best class and have that class. Only along edges
 * are logits interpolated, and only those of classes that are the best anywhere.
 *
 * @param {Logits} logits of what covers the picture
 * @param {number} pictureWidth @param {number} pictureHeight
 * @returns {import("../wire/mask.js").Mask}
 */
export function classMap(logits, pictureWidth, pictureHeight) {
  const { width, height, grows } = mapSize(logits, pictureWidth, pictureHeight);
  if (grows) return enlarged(logits, width, height);
  const skip = Math.max(1, Math.min(Math.floor(logits.height / height), Math.floor(logits.width / width)));
  const from = Math.floor(skip / 2);
  const fewer = {
    ...logits,
    ...{ start: logits.start + from * (logits.row + logits.pixel), row: logits.row * skip, pixel: logits.pixel * skip },
    ...{ width: Math.ceil((logits.width - from) / skip), height: Math.ceil((logits.height - from) / skip) },
  };
  return { width: fewer.width, height: fewer.height, values: bestClasses(fewer) };
}

/**
 * Size of the map of a picture, and whether the logits are enlarged to it; else it has their pixels.
 *
 * @param {{width: number, height: number}} logits @param {number} pictureWidth @param {number} pictureHeight
 */
export function mapSize(logits, pictureWidth, pictureHeight) {
  const shrink = Math.min(1, LONGEST / Math.max(pictureWidth, pictureHeight));
  const width = Math.max(1, round(pictureWidth * shrink));
  const height = Math.max(1, round(pictureHeight * shrink));
  const many = width * height >= ENLARGED * logits.width * logits.height;
  return { width, height, grows: many && width >= logits.width && height >= logits.height };
}

/** The class with the largest logit at each pixel. The first one wins a tie. @param {Logits} logits */
function bestClasses({ data, start, row, pixel, step, classes, width, height }) {
  const found = new Uint8Array(width * height);
  const best = new Float32Array(width * height);
  for (let id = 0; id < classes; id += 1) {
    let at = 0;
    for (let y = 0; y < height; y += 1) {
      let from = start + id * step + y * row;
      for (let x = 0; x < width; x += 1, at += 1, from += pixel) {
        const value = /** @type {number} */ (data[from]);
        if (id === 0 || value > /** @type {number} */ (best[at])) {
          best[at] = value;
          found[at] = id;
        }
      }
    }
  }
  return found;
}

/** @param {Logits} logits @param {number} width @param {number} height */
function enlarged(logits, width, height) {
  const best = bestClasses(logits);
  const present = [...new Set(best)].sort((a, b) => a - b);
  const across = axis(logits.width, width);
  const down = axis(logits.height, height);
  const values = new Uint8Array(width * height);
  let at = 0;
  for (let y = 0; y < height; y += 1) {
    const [y0, y1, v] = /** @type {[number, number, number]} */ (down[y]);
    for (let x = 0; x < width; x += 1, at += 1) {
      const [x0, x1, u] = /** @type {[number, number, number]} */ (across[x]);
      const a = /** @type {number} */ (best[y0 * logits.width + x0]);
      const b = /** @type {number} */ (best[y0 * logits.width + x1]);
      const c = /** @type {number} */ (best[y1 * logits.width + x0]);
      const d = /** @type {number} */ (best[y1 * logits.width + x1]);
      values[at] = a === b && a === c && a === d ? a : between(logits, present, x0, x1, u, y0, y1, v);
    }
  }
  return { width, height, values };
}

/**
 * The best of some classes, sorted by id, at a place between four logits.
 *
 * @param {Logits} logits @param {number[]} ids
 * @param {number} x0 @param {number} x1 @param {number} u @param {number} y0 @param {number} y1 @param {number} v
 */
function between({ data, start, row, pixel, step }, ids, x0, x1, u, y0, y1, v) {
  let found = 0;
  let most = -Infinity;
  for (const id of ids) {
    const base = start + id * step;
    const value = (/** @type {number} */ x, /** @type {number} */ y) =>
      /** @type {number} */ (data[base + y * row + x * pixel]);
    const upper = value(x0, y0) * (1 - u) + value(x1, y0) * u;
    const lower = value(x0, y1) * (1 - u) + value(x1, y1) * u;
    const mixed = upper * (1 - v) + lower * v;
    if (mixed > most) [most, found] = [mixed, id];
  }
  return found;
}

/** For each pixel, its two neighbouring logits and the weight of the second. @param {number} from @param {number} to */
function axis(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const at = ((i + 0.5) * from) / to - 0.5;
    const low = Math.floor(at);
    return [Math.max(low, 0), Math.min(low + 1, from - 1), at - low];
  });
}
