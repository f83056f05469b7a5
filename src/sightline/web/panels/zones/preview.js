/** What a zone or a line would count, while it is drawn: as far as this page sees. */

import { contains, crosses, side } from "../../lib/outline.js";

/**
 * @typedef {import("../../lib/outline.js").Point} Point
 * @typedef {{points: readonly Point[], classes: readonly string[] | null, min_size: number, anchor: "bottom" | "center"}} Drawn
 */

/**
 * Objects in a picture that count, with the point of each that does, 0 to 1 of the picture.
 *
 * @param {import("../../wire/findings.js").Picture} picture @param {Omit<Drawn, "points">} drawn
 * @returns {{id: number, name: string, at: Point}[]}
 */
function counting({ width, height, findings }, { classes, min_size, anchor }) {
  return (findings?.detections ?? []).flatMap(({ tracker_id: id, class_name: name, xyxy: [left, top, right, bottom] }) => {
    const concerns = id !== undefined && (classes?.includes(name) ?? true) && (bottom - top) / height >= min_size;
    if (!concerns) return [];
    const y = anchor === "bottom" ? bottom : (top + bottom) / 2;
    return [{ id, name, at: /** @type {Point} */ ([(left + right) / 2 / width, y / height]) }];
  });
}

/** Objects in a zone, by class. @param {import("../../wire/findings.js").Picture} picture @param {Drawn} drawn */
export function inZone(picture, drawn) {
  /** @type {import("../../wire/zones.js").ByClass} */
  const now = {};
  for (const { name, at } of counting(picture, drawn)) if (contains(drawn.points, at)) now[name] = (now[name] ?? 0) + 1;
  return now;
}

/** Counts who crosses a line from one picture to the next. It knows no hysteresis: the server counts more carefully. */
export class Crossings {
  in = 0;
  out = 0;
  #of = "";
  /** @type {Map<number, Point>} */
  #last = new Map();

  /** @param {import("../../wire/findings.js").Picture} picture @param {Drawn} drawn */
  take(picture, drawn) {
    const of = JSON.stringify([drawn.points, drawn.anchor]);
    if (of !== this.#of) {
      this.#of = of; // another line: what crossed the one before is of no use
      this.in = this.out = 0;
      this.#last.clear();
    }
    const [a, b] = /** @type {[Point, Point]} */ (drawn.points);
    const seen = new Map(counting(picture, drawn).map(({ id, at }) => [id, at]));
    for (const [id, at] of seen) {
      const before = this.#last.get(id);
      if (!before || !crosses(before, at, a, b)) continue;
      if (side(a, b, at) > 0) this.in += 1;
      else this.out += 1;
    }
    this.#last = seen;
  }
}
