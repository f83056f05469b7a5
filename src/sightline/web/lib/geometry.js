/** Geometry of pictures, boxes and labels. Pure numbers. */

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 */

/** How a picture is looked at. `x`, `y`: its point in the middle, 0 to 1. @typedef {{fill: boolean, zoom: number, x: number, y: number}} View */

/** All of the picture. @type {Readonly<View>} */
export const WHOLE = { fill: false, zoom: 1, x: 0.5, y: 0.5 };

/**
 * Rectangle of a picture's proportions in an area: the largest that is all seen, or, if it shall fill the area, the
 * smallest that leaves none of it free; then zoomed. It never leaves a gap at one side only.
 *
 * @param {number} width @param {number} height of the picture
 * @param {number} areaWidth @param {number} areaHeight @param {Readonly<View>} view
 * @returns {Rect}
 */
export function framed(width, height, areaWidth, areaHeight, { fill, zoom, x, y } = WHOLE) {
  const scale = zoom * (fill ? Math.max : Math.min)(areaWidth / width, areaHeight / height);
  const [w, h] = [width * scale, height * scale];
  return { x: start(w, areaWidth, x), y: start(h, areaHeight, y), width: w, height: h };
}

/** @param {number} length of the picture @param {number} area @param {number} middle which part of the picture is in the middle */
function start(length, area, middle) {
  return length <= area ? (area - length) / 2 : Math.min(0, Math.max(area - length, area / 2 - middle * length));
}

/**
 * A detection's box, converted from pixels of the picture to pixels of the canvas.
 *
 * @param {[number, number, number, number]} xyxy
 * @param {number} width @param {number} height of the picture
 * @param {Rect} place where the picture is drawn
 * @returns {Rect}
 */
export function project(xyxy, width, height, place) {
  const sx = place.width / width;
  const sy = place.height / height;
  const [x1, y1, x2, y2] = xyxy;
  return { x: place.x + x1 * sx, y: place.y + y1 * sy, width: (x2 - x1) * sx, height: (y2 - y1) * sy };
}

/**
 * Size in which a camera's picture is sent: within both limits, never enlarged, even numbers.
 *
 * @param {number} width @param {number} height of the camera's picture
 * @param {number} maxSide pixels of the longer side
 * @param {number} maxPixels
 */
export function captureSize(width, height, maxSide, maxPixels = Infinity) {
  const scale = Math.min(1, maxSide / Math.max(width, height), Math.sqrt(maxPixels / (width * height)));
  const even = (/** @type {number} */ n) => Math.max(2, Math.floor((n * scale) / 2 + 1e-6) * 2);
  return { width: even(width), height: even(height) };
}
