/** Geometry of pictures, boxes and labels. Pure numbers. */

/**
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 */

/**
 * Largest rectangle of a picture's proportions in the middle of an area.
 *
 * @param {number} width @param {number} height of the picture
 * @param {number} areaWidth @param {number} areaHeight
 * @returns {Rect}
 */
export function contain(width, height, areaWidth, areaHeight) {
  const scale = Math.min(areaWidth / width, areaHeight / height);
  const w = width * scale;
  const h = height * scale;
  return { x: (areaWidth - w) / 2, y: (areaHeight - h) / 2, width: w, height: h };
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
