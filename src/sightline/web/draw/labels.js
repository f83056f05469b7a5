/** Places the names of boxes so that they hide neither each other nor a face. Twin of `renderers/_labels.py`. */

import { firstName } from "./layers.js";

/** @typedef {import("../lib/geometry.js").Rect} Rect */
/**
 * @typedef {{box: Rect, face: number, widths: number[]}} Named a box, with the share of its height, from above, that is
 *   a face (see `faceOf`), and the widths of the wordings that its label may have, longest first
 * @typedef {Rect & {wording: number}} Label `wording` is an index of `widths`
 */

/** Names in a picture: those of the largest boxes. */
const MOST = 64;
/** Share of an object's height, from above, that no name may hide. @type {Readonly<Record<string, number>>} */
const FACES = { person: 0.3, face: 1, head: 1 };
/** Share of a label that may lie on a face or on another label. */
const HIDES = 0.15;
/** Share of a label that may lie on somebody else, unless its own box is large. */
const CROWDED = 0.3;
/** Heights of a label that make a box large. */
const LARGE = 8;

/**
 * Place for each label, or null where there is none: then the box does without a name. Large boxes come first.
 *
 * @param {readonly Named[]} named @param {number} height of a label
 * @param {Rect} picture which no label leaves
 * @returns {(Label | null)[]}
 */
export function placeLabels(named, height, picture) {
  /** @type {Rect[]} */
  const kept = facesIn(named);
  /** @type {Map<Named, Label>} */
  const placed = new Map();
  for (const one of [...named].sort((a, b) => area(b.box) - area(a.box)).slice(0, MOST)) {
    const others = named.filter((other) => other !== one).map(({ box }) => box);
    const label = best(one, height, picture, kept, others);
    if (!label) continue;
    kept.push(label);
    placed.set(one, label);
  }
  return named.map((one) => placed.get(one) ?? null);
}

/** Share of the height of a class's objects that is a face. @param {string} label */
export function faceOf(label) {
  return FACES[firstName(label)] ?? 0;
}

/** @param {readonly Pick<Named, "box" | "face">[]} found @returns {Rect[]} */
export function facesIn(found) {
  return found.filter(({ face }) => face).map(({ box, face }) => ({ ...box, height: box.height * face }));
}

/**
 * @param {Named} named @param {number} height @param {Rect} picture @param {Rect[]} kept free @param {Rect[]} others
 * @returns {Label | null}
 */
function best({ box, widths }, height, picture, kept, others) {
  const most = box.height >= LARGE * height ? Infinity : CROWDED;
  for (const [wording, width] of widths.entries()) {
    const free = corners(box, width, height, picture)
      .filter((label) => kept.every((other) => covered(label, other) <= HIDES))
      .map((label) => ({ ...label, wording, over: Math.max(0, ...others.map((other) => covered(label, other))) }))
      .filter(({ over }) => over <= most)
      .sort((a, b) => a.over - b.over);
    if (free[0]) return free[0];
  }
  return null;
}

/**
 * Places of a label at its box, the usual one first: above, below, and inside at the bottom.
 *
 * @param {Rect} box @param {number} width @param {number} height @param {Rect} picture
 * @returns {Rect[]}
 */
function corners(box, width, height, picture) {
  const bottom = box.y + box.height;
  const lowest = picture.y + picture.height - height;
  const rightmost = picture.x + picture.width - width;
  return [box.y - height, bottom, Math.min(bottom, picture.y + picture.height) - height]
    .filter((y) => y >= picture.y && y <= lowest)
    .flatMap((y) => [box.x, box.x + box.width - width].map((x) => ({ x, y })))
    .map(({ x, y }) => ({ x: Math.max(picture.x, Math.min(x, rightmost)), y, width, height }));
}

/** @param {Rect} rect */
function area({ width, height }) {
  return width * height;
}

/** Share of a label that another rectangle covers. @param {Rect} label @param {Rect} other */
function covered(label, other) {
  const width = Math.min(label.x + label.width, other.x + other.width) - Math.max(label.x, other.x);
  const height = Math.min(label.y + label.height, other.y + other.height) - Math.max(label.y, other.y);
  return (Math.max(0, width) * Math.max(0, height)) / area(label);
}
