/** A zone or a line while it is drawn: its points, and every step back. Pure, so that each step can be tested. */

import { History } from "../../lib/history.js";
import { t } from "../../lib/i18n.js";
import { area, crossings, middle } from "../../lib/outline.js";

/**
 * @typedef {import("../../lib/outline.js").Point} Point 0 to 1 of the picture
 * @typedef {import("../../wire/zones.js").Kind} Kind
 * @typedef {{points: readonly Point[], open: boolean}} Drawn `open`: further points are put at its end
 */

export const MOST_POINTS = 100;
const LEAST_AREA = 1e-5;
const LEAST_LENGTH = 0.001;

export class Draft {
  /** Number of the point that keys and buttons act on, or -1. */
  selected = -1;
  #history;

  /** @param {Kind} kind @param {readonly Point[]} points of one that is there already */
  constructor(kind, points = []) {
    this.kind = kind;
    /** Points below which it is not whole. */
    this.least = kind === "zone" ? 3 : 2;
    this.#history = new History(/** @type {Drawn} */ ({ points, open: points.length < this.least }));
  }

  get points() {
    return this.#history.now.points;
  }

  get open() {
    return this.#history.now.open;
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  /** True if something was drawn since it began. */
  get changed() {
    return this.canUndo;
  }

  /** Edges that cross, by the numbers of their first points. */
  get crossings() {
    return this.kind === "zone" && this.points.length > 2 ? crossings(this.points) : [];
  }

  /** What keeps it from being saved, in words; "" if nothing does. */
  get problem() {
    const { points, least } = this;
    if (points.length < least) {
      const lacking = least - points.length;
      return this.kind === "zone" ? t`A zone has at least 3 corners: ${lacking} more.` : t`A line has two ends: ${lacking} more.`;
    }
    const [crossed] = this.crossings;
    if (crossed) {
      const [one, other] = crossed.map((n) => `${n + 1}–${((n + 1) % points.length) + 1}`);
      return t`The edges ${one} and ${other} meet. An outline must not cross or touch itself.`;
    }
    const [a, b] = /** @type {[Point, Point]} */ (points);
    if (this.kind === "zone" && area(points) < LEAST_AREA) return t`The zone is too small.`;
    if (this.kind === "line" && Math.hypot(a[0] - b[0], a[1] - b[1]) < LEAST_LENGTH) return t`The two ends are the same place.`;
    return "";
  }

  /** Put a point at the end. @param {Point} at @returns {boolean} false if it has all that it may have */
  add(at) {
    const { points, kind, open } = this;
    if (!open || points.length >= MOST_POINTS) return false;
    const more = [...points, rounded(at)];
    this.#step(more, kind === "zone" || more.length < 2);
    this.selected = more.length - 1;
    return true;
  }

  /** Put a point on an edge. @param {number} edge number of the point that it begins with @param {Point} [at] its middle if not given */
  insert(edge, at) {
    const { points, kind } = this;
    const [from, to] = [points[edge], points[(edge + 1) % points.length]];
    if (kind === "line" || !from || !to || points.length < 2 || points.length >= MOST_POINTS) return false;
    this.#step(points.toSpliced(edge + 1, 0, rounded(at ?? middle(from, to))), this.open);
    this.selected = edge + 1;
    return true;
  }

  /** Move a point. @param {number} index @param {Point} to @param {boolean} goesOn with the step before, as one */
  move(index, to, goesOn = false) {
    if (!this.points[index]) return;
    this.#step(this.points.with(index, rounded(to)), this.open, goesOn);
  }

  /** The step is over: a move that follows is another. */
  settle() {
    this.#history.settle();
  }

  /** Take a point away. What is not whole any more goes on being drawn. @param {number} index */
  remove(index) {
    if (!this.points[index]) return;
    const left = this.points.toSpliced(index, 1);
    this.#step(left, this.open || left.length < this.least);
    this.selected = Math.min(index, left.length - 1);
  }

  /** The outline is whole: no further points are put at its end. */
  close() {
    if (this.open && this.points.length >= this.least) this.#step(this.points, false);
  }

  /** The other way round: what was in is out. */
  turn() {
    this.#step(this.points.toReversed(), this.open);
    if (this.selected >= 0) this.selected = this.points.length - 1 - this.selected;
  }

  undo() {
    this.#history.undo();
    this.selected = Math.min(this.selected, this.points.length - 1);
  }

  redo() {
    this.#history.redo();
  }

  /** @param {readonly Point[]} points @param {boolean} open @param {boolean} goesOn */
  #step(points, open, goesOn = false) {
    this.#history.push({ points, open }, goesOn);
  }
}

/** In the picture, and as exact as a person can point. @param {Point} point @returns {Point} */
function rounded([x, y]) {
  const [h, v] = [x, y].map((value) => Math.round(Math.min(1, Math.max(0, value)) * 1e4) / 1e4);
  return [h ?? 0, v ?? 0];
}
