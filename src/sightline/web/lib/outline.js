/** Outlines of areas, and lines: their points and edges, and where these cross. Pure numbers. */

/** @typedef {readonly [number, number]} Point x and y */

/**
 * Edges of a closed outline that cross or touch each other, by the numbers of the points that they begin with.
 * Twin of `core/zones.py`.
 *
 * @param {readonly Point[]} points
 * @returns {[number, number][]}
 */
export function crossings(points) {
  const count = points.length;
  const edge = (/** @type {number} */ n) => /** @type {[Point, Point]} */ ([points[n], points[(n + 1) % count]]);
  /** @type {[number, number][]} */
  const found = [];
  for (let n = 0; n < count; n += 1) {
    for (let m = n + 1; m < count; m += 1) {
      if (meet(edge(n), edge(m), m - n === 1 || m - n === count - 1)) found.push([n, m]);
    }
  }
  return found;
}

/**
 * True if two edges have a point in common, save the corner that neighbours share.
 *
 * @param {[Point, Point]} one @param {[Point, Point]} other @param {boolean} neighbours
 */
function meet([a, b], [c, d], neighbours) {
  if (neighbours) {
    const [corner, end, start] = same(b, c) ? [b, d, a] : [a, c, b];
    const back = (start[0] - corner[0]) * (end[0] - corner[0]) + (start[1] - corner[1]) * (end[1] - corner[1]);
    return same(start, corner) || same(corner, end) || (back > 0 && side(start, corner, end) === 0);
  }
  if (crosses(a, b, c, d)) return true;
  const touching = /** @type {[Point, Point, Point][]} */ ([[a, b, c], [a, b, d], [c, d, a], [c, d, b]]);
  return touching.some(([from, to, point]) => side(from, to, point) === 0 && between(from, to, point));
}

/** True if the way from a to b goes through that from c to d. @param {Point} a @param {Point} b @param {Point} c @param {Point} d */
export function crosses(a, b, c, d) {
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}

/** Side of the line from a to b on which a point lies: above 0 on the right, below on the left. @param {Point} a @param {Point} b @param {Point} point */
export function side(a, b, point) {
  return (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0]);
}

/** True if a point is inside an outline. @param {readonly Point[]} points @param {Point} at */
export function contains(points, [x, y]) {
  let inside = false;
  points.forEach(([x1, y1], n) => {
    const [x2, y2] = points.at(n - 1) ?? [0, 0];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  });
  return inside;
}

/** Number of the nearest point that is near enough, or -1. @param {readonly Point[]} points @param {Point} at @param {number} within */
export function nearestPoint(points, [x, y], within) {
  let [best, least] = [-1, within];
  points.forEach((point, n) => {
    const far = Math.hypot(point[0] - x, point[1] - y);
    if (far <= least) [best, least] = [n, far];
  });
  return best;
}

/** Number of the nearest edge of a closed outline that is near enough, or -1. @param {readonly Point[]} points @param {Point} at @param {number} within */
export function nearestEdge(points, at, within) {
  let [best, least] = [-1, within];
  points.forEach((point, n) => {
    const far = distance(point, points[(n + 1) % points.length] ?? point, at);
    if (far <= least) [best, least] = [n, far];
  });
  return best;
}

/** The middle between two points. @param {Point} a @param {Point} b @returns {Point} */
export function middle(a, b) {
  return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

/** Direction of length 1 to the right of the way from a to b. @param {Point} a @param {Point} b @returns {Point} */
export function rightOf(a, b) {
  const length = Math.hypot(b[0] - a[0], b[1] - a[1]) || 1;
  return [-(b[1] - a[1]) / length, (b[0] - a[0]) / length];
}

/** @param {readonly Point[]} points of a closed outline */
export function area(points) {
  const twice = points.reduce((sum, [x1, y1], n) => {
    const [x2, y2] = points[(n + 1) % points.length] ?? [0, 0];
    return sum + x1 * y2 - x2 * y1;
  }, 0);
  return Math.abs(twice) / 2;
}

/** @param {Point} a @param {Point} b @param {Point} at */
function distance(a, b, at) {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const along = ((at[0] - a[0]) * dx + (at[1] - a[1]) * dy) / (dx * dx + dy * dy || 1);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(a[0] + t * dx - at[0], a[1] + t * dy - at[1]);
}

/** @param {Point} a @param {Point} b */
function same(a, b) {
  return a[0] === b[0] && a[1] === b[1];
}

/** True if a point on the line through a and b is between them. @param {Point} a @param {Point} b @param {Point} point */
function between(a, b, [x, y]) {
  return Math.min(a[0], b[0]) <= x && x <= Math.max(a[0], b[0]) && Math.min(a[1], b[1]) <= y && y <= Math.max(a[1], b[1]);
}
