/**
 * Reads a model's outputs as `postprocess` in `models/*.py` does. Pure; golden tests hold it to Python.
 *
 * @typedef {import("./input.js").PortableModel} PortableModel
 * @typedef {import("./input.js").Geometry} Geometry
 * @typedef {{dims: readonly number[], data: ArrayLike<number>}} Output of one picture, with a batch axis of 1
 * @typedef {{class_id: number, confidence: number, xyxy: [number, number, number, number]}} Row
 * @typedef {{rows: Row[], mask: import("../wire/mask.js").Mask | null}} Found boxes in pixels of the picture; the mask's
 *   values are class ids
 * @typedef {(outputs: Record<string, Output>, geometry: Geometry, model: PortableModel) => Found} Decoder
 */

import { alphaOf, scoresOf } from "./alpha.js";
import { classMap, mapSize } from "./classes.js";
import { fromHalf, round } from "./input.js";

const MAX_CANDIDATES = 1000;
const LARGEST = 12;
const ROUNDED = 1.01; // graphs that compute in integers or halves may end a little above 1
const HIGHEST_CLASS = 254;
const SURE = 0.25; // a cell that is not has all classes that it may be
const SAME = 0.65; // overlap from which a suppressed box has a say in where the kept one lies

/**
 * A graph's output as plain numbers, converted from half floats and 64-bit integers.
 *
 * @param {{dims: readonly number[], data: any, type: string}} tensor
 */
export function numbers({ dims, data, type }) {
  if (type === "float16" && data instanceof Uint16Array) return { dims, data: Float32Array.from(data, fromHalf) };
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return { dims, data: Array.from(data, Number) };
  return { dims, data };
}

/** @type {Decoder} boxes N x 4 and scores classes x N */
function detector(outputs, geometry, model) {
  const boxes = of(outputs, "boxes").data;
  const { dims, data } = of(outputs, "scores");
  const [classes = 0, count = 0] = dims.slice(1);
  const score = (/** @type {number} */ row, /** @type {number} */ k) => num(data, k * count + row);
  const rows = best(count, classes, score, model.confidence).flatMap((found) => {
    if (found.confidence >= SURE) return [found];
    const all = Array.from({ length: classes }, (_, k) => ({ row: found.row, class_id: k, confidence: score(found.row, k) }));
    return all.filter(({ class_id, confidence }) => class_id === found.class_id || confidence >= model.confidence);
  });
  return thinned(rows, (row) => [0, 1, 2, 3].map((i) => num(boxes, row * 4 + i)), geometry, model, SAME);
}

/** @type {Decoder} N x (5 + classes), offsets in the cells of three grids */
function yolox(outputs, geometry, model) {
  const [{ dims, data }] = /** @type {[Output]} */ (Object.values(outputs));
  const [count = 0, columns = 0] = dims.slice(1);
  const rows = objects(count, columns - 5, data, columns, model.confidence);
  const box = (/** @type {number} */ row) => {
    const { stride, column, line } = cellOf(row, model);
    const at = row * columns;
    const [x, y] = [num(data, at) + column, num(data, at + 1) + line];
    const [w, h] = [2, 3].map((i) => Math.exp(Math.min(num(data, at + i), LARGEST)));
    return corners(x * stride, y * stride, (w ?? 0) * stride, (h ?? 0) * stride);
  };
  return thinned(rows, box, geometry, model);
}

/**
 * The grid cell of a row. Grids of stride 8, 16 and 32 follow one another.
 *
 * @param {number} row @param {PortableModel} model
 */
function cellOf(row, { width, height }) {
  let first = 0;
  for (const stride of [8, 16, 32]) {
    const wide = Math.floor(width / stride);
    const count = wide * Math.floor(height / stride);
    if (row < first + count) return { stride, column: (row - first) % wide, line: Math.floor((row - first) / wide) };
    first += count;
  }
  throw new Error(`row ${row}: the model's grids have ${first}`);
}

/** @type {Decoder} (4 + classes) x N, centre and size in pixels */
function v8(outputs, geometry, model) {
  const { dims, data } = of(outputs, model.details["output"]);
  const count = dims[2] ?? 0;
  const rows = best(
    count,
    Number(model.details["classes"]),
    (row, k) => num(data, (4 + k) * count + row),
    model.confidence,
  );
  const part = (/** @type {number} */ row, /** @type {number} */ i) => num(data, i * count + row);
  return thinned(rows, (row) => corners(part(row, 0), part(row, 1), part(row, 2), part(row, 3)), geometry, model);
}

/** @type {Decoder} N x (5 + classes), centre and size in pixels */
function v5(outputs, geometry, model) {
  const { dims, data } = of(outputs, model.details["output"]);
  const [count = 0, columns = 0] = dims.slice(1);
  const rows = objects(count, Number(model.details["classes"]), data, columns, model.confidence);
  const part = (/** @type {number} */ row, /** @type {number} */ i) => num(data, row * columns + i);
  return thinned(rows, (row) => corners(part(row, 0), part(row, 1), part(row, 2), part(row, 3)), geometry, model);
}

/** @type {Decoder} N x (corners, certainty, class), thinned out by the graph */
function finalRows(outputs, geometry, model) {
  const { dims, data } = of(outputs, model.details["output"]);
  const [count = 0, columns = 6] = dims.slice(1);
  const rows = [];
  for (let row = 0; row < count; row += 1) {
    const confidence = num(data, row * columns + 4);
    const class_id = Math.trunc(num(data, row * columns + 5));
    if (confidence >= model.confidence && Number.isFinite(class_id)) rows.push({ row, class_id, confidence });
  }
  const box = (/** @type {number} */ row) => [0, 1, 2, 3].map((i) => num(data, row * columns + i));
  return thinned(rows, box, geometry, { ...model, iou: Infinity });
}

/** @type {Decoder} a class for every pixel: logits, or the classes themselves */
function semantic(outputs, geometry, model) {
  const { dims, data } = of(outputs, model.details["output"]);
  const axes = model.details["axes"];
  const [height = 1, width = 1] = axes === "hwc" ? dims.slice(1, 3) : dims.slice(-2);
  const classes = (axes === "hwc" ? dims[3] : dims[1]) ?? 1;
  const [across, down] = [width / model.width, height / model.height];
  const left = Math.trunc(geometry.left * across);
  const top = Math.trunc(geometry.top * down);
  const right = Math.max(left + 1, round((geometry.left + geometry.innerWidth) * across));
  const bottom = Math.max(top + 1, round((geometry.top + geometry.innerHeight) * down));
  const part = { left, top, width: right - left, height: bottom - top };
  if (axes === "map") return { rows: [], mask: ids(data, width, part) };
  const plane = width * height;
  const [row, pixel, step] = axes === "hwc" ? [width * classes, classes, 1] : [width, 1, plane];
  const logits = { data, start: top * row + left * pixel, row, pixel, step, classes, ...part };
  const alpha = alphaOf(logits);
  const { grows } = mapSize(part, geometry.width, geometry.height);
  const soft = alpha && grows && alpha.width === part.width && alpha.height === part.height;
  const mask = classMap(soft ? scoresOf(alpha) : logits, geometry.width, geometry.height);
  return { rows: [], mask: { ...mask, alpha } };
}

/**
 * @param {ArrayLike<number>} data @param {number} stride
 * @param {{left: number, top: number, width: number, height: number}} part
 */
function ids(data, stride, { left, top, width, height }) {
  const values = new Uint8Array(width * height);
  for (let at = 0; at < values.length; at += 1) {
    const value = num(data, (top + Math.floor(at / width)) * stride + left + (at % width));
    values[at] = Math.min(Math.max(value, 0), HIGHEST_CLASS);
  }
  return { width, height, values };
}

/** Decoders by their name on the server: see `Portable.decode`. @type {Record<string, Decoder>} */
export const DECODERS = { detector, yolox, v8, v5, final_rows: finalRows, semantic };

/** @param {Record<string, Output>} outputs @param {string | number | null | undefined} name */
function of(outputs, name) {
  const found = outputs[String(name)];
  if (!found) throw new Error(`the graph gives no output ${name}`);
  return found;
}

/** @param {ArrayLike<number>} data @param {number} at */
function num(data, at) {
  return /** @type {number} */ (data[at]);
}

/**
 * Index of the largest value; the first one wins a tie.
 *
 * @param {ArrayLike<number>} data @param {number} from @param {number} step @param {number} count
 */
function highest(data, from, step, count) {
  let found = 0;
  let most = num(data, from);
  for (let k = 1; k < count; k += 1) {
    const value = num(data, from + k * step);
    if (value > most) [most, found] = [value, k];
  }
  return found;
}

/** @typedef {{row: number, class_id: number, confidence: number}} Candidate */
/** @typedef {{class_id: number, confidence: number, inside: number[]}} Box in pixels of the input */

/**
 * Rows whose best class is confident enough.
 *
 * @param {number} count @param {number} classes
 * @param {(row: number, k: number) => number} score @param {number} least
 * @returns {Candidate[]}
 */
function best(count, classes, score, least) {
  /** @type {Candidate[]} */
  const rows = [];
  for (let row = 0; row < count; row += 1) {
    let class_id = 0;
    let confidence = score(row, 0);
    for (let k = 1; k < classes; k += 1) {
      const value = score(row, k);
      if (value > confidence) [confidence, class_id] = [value, k];
    }
    if (confidence >= least) rows.push({ row, class_id, confidence });
  }
  return rows;
}

/**
 * Like `best`, for outputs whose column 4 is the confidence that there is an object at all.
 *
 * @param {number} count @param {number} classes @param {ArrayLike<number>} data @param {number} columns @param {number} least
 */
function objects(count, classes, data, columns, least) {
  /** @type {Candidate[]} */
  const rows = [];
  for (let row = 0; row < count; row += 1) {
    const object = num(data, row * columns + 4);
    if (object < least) continue;
    const class_id = highest(data, row * columns + 5, 1, classes);
    const confidence = Math.fround(object * num(data, row * columns + 5 + class_id));
    if (confidence >= least) rows.push({ row, class_id, confidence });
  }
  return rows;
}

/** @param {number} x @param {number} y @param {number} w @param {number} h */
function corners(x, y, w, h) {
  return [x - w / 2, y - h / 2, x + w / 2, y + h / 2];
}

/**
 * Boxes after non-maximum suppression per class, from pixels of the input to those of the picture, most confident first.
 *
 * @param {Candidate[]} candidates @param {(row: number) => number[]} box
 * @param {Geometry} place @param {PortableModel} model
 * @param {number} [same] overlap from which suppressed boxes have a say in where the kept one lies
 * @returns {Found}
 */
function thinned(candidates, box, place, model, same = Infinity) {
  const order = (/** @type {Candidate} */ a, /** @type {Candidate} */ b) =>
    b.confidence - a.confidence || a.row - b.row || a.class_id - b.class_id;
  const sorted = candidates.sort(order).slice(0, MAX_CANDIDATES);
  /** @type {Box[]} */
  const all = [];
  /** @type {Box[]} */
  const kept = [];
  for (const { row, class_id, confidence } of sorted) {
    if (!(confidence >= 0 && confidence <= ROUNDED)) throw new Error(`the model gave a confidence of ${confidence}`);
    const inside = box(row);
    if (!inside.every(Number.isFinite)) continue;
    const one = { class_id, confidence, inside };
    all.push(one);
    if (!kept.some((other) => other.class_id === class_id && overlap(other.inside, inside) > model.iou)) kept.push(one);
  }
  /** @type {Row[]} */
  const rows = [];
  for (const one of kept) {
    const { class_id, confidence } = one;
    const [x1, y1, x2, y2] = /** @type {Row["xyxy"]} */ (
      averaged(one, all, same).map((value, i) => {
        const [offset, inner, whole] =
          i % 2 ? [place.top, place.innerHeight, place.height] : [place.left, place.innerWidth, place.width];
        return Math.min(Math.max(((value - offset) * whole) / inner, 0), whole);
      })
    );
    if (x2 > x1 && y2 > y1 && rows.length < model.max_detections)
      rows.push({ class_id, confidence, xyxy: [x1, y1, x2, y2] });
  }
  return { rows, mask: null };
}

/**
 * Corners of a box, averaged with those of its class that overlap it so much: see `average` in `models/_boxes.py`.
 *
 * @param {Box} one @param {Box[]} all @param {number} same
 */
function averaged({ class_id, inside }, all, same) {
  const sum = [0, 0, 0, 0];
  let total = 0;
  for (const other of all) {
    const shared = other.class_id === class_id ? overlap(inside, other.inside) : 0;
    if (!(shared > same)) continue;
    const weight = shared * other.confidence;
    total += weight;
    other.inside.forEach((value, i) => (sum[i] = (sum[i] ?? 0) + weight * value));
  }
  return total > 0 ? sum.map((value) => value / total) : inside;
}

/** Intersection over union of two boxes. @param {number[]} a @param {number[]} b */
function overlap([ax1 = 0, ay1 = 0, ax2 = 0, ay2 = 0], [bx1 = 0, by1 = 0, bx2 = 0, by2 = 0]) {
  const shared =
    Math.max(0, Math.min(ax2, bx2) - Math.max(ax1, bx1)) * Math.max(0, Math.min(ay2, by2) - Math.max(ay1, by1));
  const together = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared;
  return together > 0 ? shared / together : 0;
}
