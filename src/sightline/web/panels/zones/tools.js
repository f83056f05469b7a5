/** Buttons over the picture while it is drawn on, and the line that says what to do. */

import { icon, make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

/**
 * @typedef {"undo" | "redo" | "remove" | "turn" | "cancel" | "save"} Tool
 * @typedef {import("./draft.js").Draft} Draft
 */

/** @type {[Tool, string, string][]} */
const TOOLS = [
  ["undo", "undo", t`Undo (Ctrl+Z)`],
  ["redo", "redo", t`Redo (Ctrl+Shift+Z)`],
  ["remove", "bin", t`Delete the chosen point`],
  ["turn", "turn", t`Turn the line: what was in is out`],
  ["cancel", "close", t`Cancel`],
  ["save", "done", t`Save`],
];

export class Tools {
  element = make("div", { class: "tools", role: "toolbar", "aria-label": t`Drawing` });
  hint = make("p", { class: "drawing-hint", id: "drawing-hint", role: "status" });
  /** @type {Map<Tool, HTMLButtonElement>} */
  #buttons = new Map();

  /** @param {Draft} draft @param {(tool: Tool) => void} use */
  constructor(draft, use) {
    for (const [tool, sign, says] of TOOLS) {
      if (tool === "turn" && draft.kind !== "line") continue;
      const worded = tool === "cancel" || tool === "save";
      const look = `button${tool === "save" ? " main" : ""}${worded ? "" : " square"}`;
      const button = make("button", { type: "button", class: look, id: `drawing-${tool}`, title: says, ...(worded ? {} : { "aria-label": says }) }, icon(sign));
      if (worded) button.append(make("span", {}, says));
      button.addEventListener("click", () => use(tool));
      this.#buttons.set(tool, button);
      this.element.append(button);
    }
  }

  /** @param {Draft} draft @param {boolean} busy */
  show(draft, busy) {
    const may = {
      undo: draft.canUndo,
      redo: draft.canRedo,
      remove: draft.selected >= 0,
      turn: draft.points.length === 2,
      cancel: true,
      save: draft.problem === "",
    };
    for (const [tool, button] of this.#buttons) {
      const focused = button === document.activeElement;
      button.disabled = busy || !may[tool];
      if (focused && button.disabled) document.getElementById("drawing")?.focus(); // else the keyboard is lost
    }
    setText(this.hint, hintFor(draft, matchMedia("(pointer: coarse)").matches));
    this.hint.dataset["kind"] = draft.crossings.length ? "problem" : "";
  }
}

/** What to do next, or what is wrong. @param {Draft} draft @param {boolean} touch whether it is done with a finger */
export function hintFor(draft, touch) {
  const { kind, points, open, problem, least } = draft;
  const [put, press] = touch ? [t`Tap`, t`hold it`] : [t`Click`, t`press Delete`];
  if (!points.length) {
    const what = kind === "zone" ? t`the corners of the zone` : t`the two ends of the line`;
    return `${put} ${what}.${touch ? "" : t` By keyboard: arrow keys move the cross, Enter puts a point.`}`;
  }
  if (points.length < least || draft.crossings.length || problem) return problem;
  if (open) return t`${put} more corners, or the first one to close the outline.`;
  if (kind === "line") return t`The arrow shows the way in. Drag the ends, or turn the line.`;
  return t`Drag the corners. ${put} an edge to add one; to delete one, choose it and ${press}.`;
}
