/** Where tracked objects stood of late, as far as this page has seen them. */

/** How long a point stays. */
export const LASTS_MS = 2_400;
const MOST_POINTS = 64;

/**
 * @typedef {{x: number, y: number, at: number}} Point the middle of a box's lower edge, 0 to 1 of the picture, and when
 * @typedef {ReadonlyMap<number, readonly Point[]>} TrailsById
 */

export class Trails {
  /** @type {Map<number, Point[]>} */
  #points = new Map();

  /** @returns {TrailsById} oldest point first */
  get all() {
    return this.#points;
  }

  /** Take in a picture. @param {Pick<import("../wire/findings.js").Picture, "width" | "height" | "findings">} picture @param {number} at milliseconds */
  add({ width, height, findings }, at) {
    for (const { tracker_id, xyxy } of findings?.detections ?? []) {
      if (tracker_id === undefined) continue;
      const [left, , right, bottom] = xyxy;
      const points = this.#points.get(tracker_id) ?? [];
      points.push({ x: (left + right) / 2 / width, y: bottom / height, at });
      if (points.length > MOST_POINTS) points.shift();
      this.#points.set(tracker_id, points);
    }
    for (const [id, points] of this.#points) {
      while (points[0] && at - points[0].at > LASTS_MS) points.shift();
      if (!points.length) this.#points.delete(id);
    }
  }

  clear() {
    this.#points.clear();
  }
}
