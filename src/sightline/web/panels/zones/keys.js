/** The keyboard on the surface: it moves a cross and puts points there, moves points, adds and removes them. */

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** Shares of the picture that a key moves by, alone and with Shift. */
const STEP = 0.01;
const LEAP = 0.05;

/**
 * @param {import("./surface.js").Surface} surface @param {import("./draft.js").Draft} draft
 * @param {{changed: () => void, leave: () => void}} then
 */
export function followKeys(surface, draft, { changed, leave }) {
  const { element } = surface;
  const indexOf = (/** @type {EventTarget | null} */ target) =>
    target instanceof HTMLElement ? Number(target.dataset["index"] ?? -1) : -1;

  /** @param {KeyboardEvent} event @returns {boolean} whether it meant something */
  const press = (event) => {
    const index = indexOf(event.target);
    const arrow = ARROWS[event.key];
    if (event.key === "Escape") leave();
    else if (arrow) step(index, arrow, event);
    else if (event.key === "Enter") enter(index);
    else if (index >= 0 && (event.key === "Delete" || event.key === "Backspace")) remove(index);
    else return false;
    return true;
  };

  /** @param {number} index @param {[number, number]} arrow @param {KeyboardEvent} event */
  const step = (index, [dx, dy], { shiftKey, repeat }) => {
    const by = shiftKey ? LEAP : STEP;
    const [x, y] = draft.points[index] ?? surface.cross;
    if (index >= 0) draft.move(index, [x + dx * by, y + dy * by], repeat);
    else surface.cross = [clamp(x + dx * by), clamp(y + dy * by)];
    changed();
  };

  /** Put a point at the cross, or in the middle of the edge after the point that has the focus. @param {number} index */
  const enter = (index) => {
    if (index < 0) draft.add(surface.cross);
    else if (draft.insert(index)) index = draft.selected;
    changed();
    if (index >= 0) surface.focus(index);
  };

  /** @param {number} index */
  const remove = (index) => {
    draft.remove(index);
    changed();
    surface.focus(draft.selected);
  };

  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || !press(event)) return;
    event.preventDefault();
    event.stopPropagation();
  });
  element.addEventListener("keyup", (event) => ARROWS[event.key] && draft.settle());
  element.addEventListener("focusin", (event) => {
    const index = indexOf(event.target);
    if (index === draft.selected || index < 0) return;
    draft.selected = index;
    changed();
  });
}

/** What Ctrl+Z and its like mean; null for other keys. @param {KeyboardEvent} event @returns {"undo" | "redo" | null} */
export function stepOf({ key, ctrlKey, metaKey, shiftKey, altKey }) {
  if (altKey || !(ctrlKey || metaKey)) return null;
  if (key.toLowerCase() === "z") return shiftKey ? "redo" : "undo";
  return key.toLowerCase() === "y" ? "redo" : null;
}

/** @param {number} value */
function clamp(value) {
  return Math.min(1, Math.max(0, value));
}
