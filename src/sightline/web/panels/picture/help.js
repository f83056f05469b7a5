/** The dialog with all keys. */

import { icon, make } from "../../lib/dom.js";

/** @type {readonly (readonly [string, string])[]} */
export const KEYS = [
  ["F", "Full screen, and back"],
  ["Space", "Freeze the picture, and go on"],
  ["R", "The last pictures once more, and back to live"],
  [", .", "One picture back, one on (then also: ← →)"],
  ["S", "Snapshot"],
  ["K", "Keep a clip: the last 30 s, and what follows"],
  ["O", "Overlay on and off"],
  ["M", "Next way to show it"],
  ["1 – 8", "Ways to show it, in the list's order"],
  ["+ −", "Zoom in, zoom out (also: wheel, two fingers, double click)"],
  ["Shift + arrows", "Move the picture (also: drag it)"],
  ["0", "Reset the zoom"],
  ["C", "Fill the room, or fit the whole picture"],
  ["P", "Picture in picture"],
  ["→ Z", "Next live stream"],
  ["← Shift + Z", "Previous live stream"],
  ["?", "These keys"],
];

export function show() {
  document.getElementById("picture-keys")?.remove();
  const close = make("button", { type: "button", class: "button quiet square", "aria-label": "Close" }, icon("close"));
  const rows = KEYS.map(([key, words]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, words)));
  const dialog = make(
    "dialog",
    { id: "picture-keys", "aria-labelledby": "picture-keys-title" },
    make("div", { class: "dialog-head" }, make("h2", { id: "picture-keys-title" }, "Keys"), close),
    make("dl", { class: "keys" }, ...rows),
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
