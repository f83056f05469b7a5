/** What zooming and moving make of a view of a picture. Pure numbers. */

import { WHOLE, framed } from "./geometry.js";

/**
 * @typedef {import("./geometry.js").View} View
 * @typedef {{width: number, height: number}} Size
 * @typedef {[number, number]} Point
 */

export const CLOSEST = 8;
/** Pixels that a finger goes across at least. */
const SWIPE = 60;

/**
 * Zoom so that what is at a point of the area stays there.
 *
 * @param {Readonly<View>} view @param {number} by a factor @param {Point} at pixels of the area
 * @param {Size} picture @param {Size} area
 * @returns {View}
 */
export function zoomed(view, by, at, picture, area) {
  const zoom = Math.min(CLOSEST, Math.max(1, view.zoom * by));
  if (zoom === 1) return { ...view, zoom, x: 0.5, y: 0.5 };
  const before = framed(picture.width, picture.height, area.width, area.height, view);
  const grown = zoom / view.zoom;
  const place = {
    x: at[0] - (at[0] - before.x) * grown,
    y: at[1] - (at[1] - before.y) * grown,
    width: before.width * grown,
    height: before.height * grown,
  };
  return within({ ...view, zoom }, place, area);
}

/**
 * Move the picture by pixels of the area, no further than its edge.
 *
 * @param {Readonly<View>} view @param {Point} by @param {Size} picture @param {Size} area
 * @returns {View}
 */
export function moved(view, [dx, dy], picture, area) {
  const place = framed(picture.width, picture.height, area.width, area.height, view);
  return within({ ...view }, { ...place, x: place.x + dx, y: place.y + dy }, area);
}

/** Fill the area, or show all. @param {Readonly<View>} view @returns {View} */
export function fitted(view) {
  return { ...WHOLE, fill: !view.fill };
}

/** Whether a view can be moved, or has been changed. @param {Readonly<View>} view */
export function isWhole({ zoom, fill }) {
  return zoom === 1 && !fill;
}

/**
 * Whether a finger went across, and which way: 1 to the left, as if it pulled the next one in.
 *
 * @param {Point} from @param {Point} to pixels @returns {1 | -1 | 0}
 */
export function swiped(from, to) {
  const [across, down] = [to[0] - from[0], to[1] - from[1]];
  if (Math.abs(across) < Math.max(SWIPE, 2 * Math.abs(down))) return 0;
  return across < 0 ? 1 : -1;
}

/** @param {View} view @param {import("./geometry.js").Rect} place @param {Size} area @returns {View} */
function within(view, { x, y, width, height }, area) {
  return { ...view, x: middle(x, width, area.width), y: middle(y, height, area.height) };
}

/** The part of a length that is in the middle of the area. @param {number} from @param {number} length @param {number} area */
function middle(from, length, area) {
  const half = area / 2 / length;
  return half >= 0.5 ? 0.5 : Math.min(1 - half, Math.max(half, half - from / length));
}
