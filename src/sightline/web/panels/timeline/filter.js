/** Which classes of a picture are drawn, whatever the mode. Pure. */

/** @typedef {import("../../wire/findings.js").Picture} Picture */

/**
 * A picture without what was found of some classes. The mask's values keep their meaning.
 *
 * @param {Picture} picture @param {ReadonlySet<string>} hidden names of classes
 * @returns {Picture} the same where nothing of it is hidden
 */
export function without(picture, hidden) {
  const { findings, mask } = picture;
  const isHidden = (/** @type {{class_name: string}} */ one) => hidden.has(one.class_name);
  if (!findings || !(findings.detections.some(isHidden) || findings.segments?.some(isHidden))) return picture;
  const kept = findings.detections.filter((one) => !isHidden(one));
  const left = { ...findings, detections: kept };
  if (findings.segments) left.segments = findings.segments.filter((one) => !isHidden(one));
  if (!mask || findings.mask_kind === "classes") return { ...picture, findings: left };
  const rows = new Map(kept.map((one, row) => [one, row + 1]));
  const table = [0, ...findings.detections.map((one) => rows.get(one) ?? 0)];
  return { ...picture, findings: left, mask: { ...mask, values: mask.values.map((value) => table[value] ?? 0) } };
}

/** Remembers what it made of a picture, as painters ask again with each change of size. */
export class ClassFilter {
  /** @type {ReadonlySet<string>} */
  hidden = new Set();
  /** @type {WeakMap<Picture, Picture>} */
  #made = new WeakMap();

  /** @param {ReadonlySet<string>} hidden */
  hide(hidden) {
    this.hidden = hidden;
    this.#made = new WeakMap();
  }

  /** @param {Picture} picture */
  of(picture) {
    const made = this.#made.get(picture) ?? without(picture, this.hidden);
    this.#made.set(picture, made);
    return made;
  }
}
