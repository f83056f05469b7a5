/** Mouse, pen and finger on the surface: they put points, drag them, add one on an edge, and take one away. */

import { nearestEdge, nearestPoint } from "../../lib/outline.js";

/** Pixels within which a pointer means a point or an edge. */
const NEAR = { mouse: 12, touch: 24 };
/** Pixels that a pointer that stays may move. */
const STILL = 8;
const LONG_MS = 600;

/**
 * @param {import("./surface.js").Surface} surface @param {import("./draft.js").Draft} draft
 * @param {() => void} changed to be called after each change
 */
export function followPointer(surface, draft, changed) {
  const { element } = surface;
  /** @type {{index: number, from: [number, number], moved: boolean, closes: boolean, long: ReturnType<typeof setTimeout> | undefined} | null} */
  let held = null;

  /** @param {PointerEvent} event */
  const grab = (event) => {
    const within = event.pointerType === "mouse" ? NEAR.mouse : NEAR.touch;
    const at = draft.points.map((point) => surface.pixels(point));
    const here = surface.pixels(surface.pointAt(event));
    const point = nearestPoint(at, here, within);
    draft.settle();
    if (point >= 0) return point;
    const edge = draft.open ? -1 : nearestEdge(at, here, within);
    const put = edge >= 0 ? draft.insert(edge, surface.pointAt(event)) : draft.add(surface.pointAt(event));
    return put ? draft.selected : -1;
  };

  element.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary || event.button !== 0) return;
    event.preventDefault(); // no text is selected, and the focus is ours
    const before = draft.points.length;
    const index = grab(event);
    draft.selected = index;
    surface.hover = null;
    if (index >= 0) {
      element.setPointerCapture(event.pointerId);
      const there = draft.points.length === before;
      held = { index, from: [event.clientX, event.clientY], moved: false, closes: there && index === 0 && draft.open, long: undefined };
      if (there && event.pointerType !== "mouse") held.long = setTimeout(remove, LONG_MS);
    }
    changed();
    surface.focus(index);
  });

  const remove = () => {
    if (!held || held.moved) return;
    draft.remove(held.index);
    held = null;
    changed();
  };

  element.addEventListener("pointermove", (event) => {
    if (!event.isPrimary) return;
    if (held) {
      const [x, y] = held.from;
      held.moved ||= Math.hypot(event.clientX - x, event.clientY - y) > STILL / (event.pointerType === "mouse" ? 4 : 1);
      if (!held.moved) return;
      draft.move(held.index, surface.pointAt(event), true);
      changed();
    } else if (event.pointerType === "mouse") {
      surface.hover = draft.open ? surface.pointAt(event) : null;
      surface.show();
    }
  });

  /** @param {PointerEvent} event */
  const release = (event) => {
    if (!held || !event.isPrimary) return;
    clearTimeout(held.long);
    if (held.closes && !held.moved) draft.close();
    held = null;
    draft.settle();
    changed();
  };
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  element.addEventListener("pointerleave", () => {
    surface.hover = null;
    surface.show();
  });
  element.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press means something else here
}
