/** Draws zones and lines over a picture: outlines, the way in, names and counts. */

import { middle, rightOf } from "../lib/outline.js";
import { rgbOf, textOn } from "../lib/palette.js";

/**
 * @typedef {import("../lib/geometry.js").Rect} Rect
 * @typedef {import("../lib/outline.js").Point} Point
 * @typedef {{kind: import("../wire/zones.js").Kind, name: string, color: string, points: readonly Point[],
 *   words: readonly string[]}} Drawn `points` are 0 to 1 of the picture; `words` that its label may say, longest first
 */

const LETTERS = { least: 10, most: 15, share: 1 / 36 }; // pixels of the page, and of the picture's height
/** Length of the arrow, in letters. */
const ARROW = 2;
/** Share of the picture's width that a label may take. */
const WIDEST = 0.45;

/**
 * @param {CanvasRenderingContext2D} context @param {readonly Drawn[]} shapes
 * @param {Rect} place of the picture @param {number} ratio pixels of the canvas for one of the page
 * @param {readonly Rect[]} boxes of objects whose names are written, on the canvas
 * @param {Map<string, number>} chosen spot of each label, which stays as long as nothing else is there
 * @param {readonly Rect[]} faces that no label is to hide
 */
export function drawShapes(context, shapes, place, ratio, boxes = [], chosen = new Map(), faces = []) {
  const { least, most, share } = LETTERS;
  const letters = ratio * Math.max(least, Math.min(most, (place.height / ratio) * share));
  const placed = shapes.map((shape) => ({ shape, points: shape.points.map((point) => onto(place, point)) }));
  context.lineJoin = context.lineCap = "round";
  for (const { shape, points } of placed) {
    if (shape.kind === "zone") drawZone(context, points, shape.color, letters / 12);
    else drawLine(context, points, shape.color, letters);
  }
  context.font = `600 ${letters}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  const kept = [...faces, ...boxes.flatMap((box) => namesAt(box, 1.5 * letters))];
  for (const { shape, points } of placed) drawLabel(context, shape, points, { place, letters, kept, chosen });
}

/** Where the name of a box may be: over it, under it, or inside at the bottom. @param {Rect} box @param {number} height of a name */
function namesAt({ x, y, width, height: tall }, height) {
  const wide = Math.max(width, 8 * height);
  return [{ x, y: y - height, width: wide, height }, { x, y: y + tall - height, width: wide, height: 2 * height }];
}

/** @param {Rect} place @param {Point} point 0 to 1 of it @returns {Point} */
function onto({ x, y, width, height }, [h, v]) {
  return [x + h * width, y + v * height];
}

/** @param {CanvasRenderingContext2D} context @param {Point[]} points @param {string} color @param {number} unit */
function drawZone(context, points, color, unit) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
  context.globalAlpha = 0.14;
  context.fillStyle = color;
  context.fill();
  context.globalAlpha = 1;
  stroke(context, color, unit);
}

/** @param {CanvasRenderingContext2D} context @param {Point[]} points @param {string} color @param {number} letters */
function drawLine(context, points, color, letters) {
  const [a, b] = /** @type {[Point, Point]} */ (points);
  context.beginPath();
  context.moveTo(...a);
  context.lineTo(...b);
  for (const [from, to] of arrow(a, b, ARROW * letters)) {
    context.moveTo(...from);
    context.lineTo(...to);
  }
  stroke(context, color, (1.4 * letters) / 12);
}

/**
 * Strokes of the arrow that shows which way is in: from the middle of the line to its right.
 *
 * @param {Point} a @param {Point} b the line's ends @param {number} length
 * @returns {[Point, Point][]}
 */
export function arrow(a, b, length) {
  const [x, y] = middle(a, b);
  const [dx, dy] = rightOf(a, b);
  /** @type {Point} */
  const tip = [x + dx * length, y + dy * length];
  const [back, out] = [length * 0.55, length * 0.32];
  return [
    [[x, y], tip],
    [tip, [x + dx * back - dy * out, y + dy * back + dx * out]],
    [tip, [x + dx * back + dy * out, y + dy * back - dx * out]],
  ];
}

/** @param {CanvasRenderingContext2D} context @param {string} color @param {number} unit */
function stroke(context, color, unit) {
  // A dark edge around the line keeps it readable on a picture of its own colour.
  context.strokeStyle = "rgb(0 0 0 / 0.55)";
  context.lineWidth = 4.5 * unit;
  context.stroke();
  context.strokeStyle = color;
  context.lineWidth = 2 * unit;
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context @param {Drawn} shape @param {Point[]} points
 * @param {{place: Rect, letters: number, kept: Rect[], chosen: Map<string, number>}} room `kept` free by other labels
 */
function drawLabel(context, { kind, name, color, words }, points, { place, letters, kept, chosen }) {
  const unit = letters / 12;
  const text = words.find((one) => context.measureText(one).width < WIDEST * place.width) ?? words.at(-1) ?? "";
  const size = { width: context.measureText(text).width + 12 * unit, height: 18 * unit };
  const key = `${kind} ${name}`;
  const { spot, ...label } = labelPlace(kind, points, size, { picture: place, kept, before: chosen.get(key) ?? 0 });
  chosen.set(key, spot);
  kept.push(label);
  const rgb = rgbOf(color);
  context.fillStyle = color;
  context.beginPath();
  context.roundRect(label.x, label.y, label.width, label.height, 4 * unit);
  context.fill();
  context.fillStyle = `rgb(${textOn(rgb).join(" ")})`;
  context.fillText(text, label.x + 6 * unit, label.y + label.height / 2 + 0.5 * unit);
}

/**
 * Place of a label: on an edge of a zone, the lowest if it can be, or beside a line where no arrow is; in the picture.
 * It moves where another label is, and only then.
 *
 * @param {import("../wire/zones.js").Kind} kind @param {readonly Point[]} points @param {{width: number, height: number}} size
 * @param {{picture: Rect, kept: readonly Rect[], before: number}} room `kept` free by others; `before`: the spot where it was
 * @returns {Rect & {spot: number}}
 */
export function labelPlace(kind, points, { width, height }, { picture, kept, before }) {
  const spots = (kind === "zone" ? edges(points) : beside(points, width, height)).map(([x, y], spot) => ({
    x: clamp(x - width / 2, picture.x, picture.x + picture.width - width),
    y: clamp(y - height / 2, picture.y, picture.y + picture.height - height),
    ...{ width, height, spot },
  }));
  const was = spots[before] ?? spots[0];
  const free = [was, ...spots].find((label) => label && kept.every((other) => !overlap(label, other)));
  return /** @type {Rect & {spot: number}} */ (free ?? was);
}

/** Middles of a zone's edges, the lowest first. @param {readonly Point[]} points @returns {Point[]} */
function edges(points) {
  return points.map((point, n) => middle(point, points[(n + 1) % points.length] ?? point)).sort((a, b) => b[1] - a[1]);
}

/** Places left of a line: at its middle, and near its ends. @param {readonly Point[]} points @param {number} width @param {number} height @returns {Point[]} */
function beside(points, width, height) {
  const [a, b] = /** @type {[Point, Point]} */ (points);
  const [dx, dy] = rightOf(a, b);
  const away = (Math.abs(dx) * width + Math.abs(dy) * height) / 2 + height / 2;
  return [0.5, 0.15, 0.85].map((t) => [a[0] + t * (b[0] - a[0]) - dx * away, a[1] + t * (b[1] - a[1]) - dy * away]);
}

/** @param {number} value @param {number} least @param {number} most */
function clamp(value, least, most) {
  return Math.max(least, Math.min(value, most));
}

/** @param {Rect} one @param {Rect} other */
function overlap(one, other) {
  const across = one.x < other.x + other.width && other.x < one.x + one.width;
  return across && one.y < other.y + other.height && other.y < one.y + one.height;
}
