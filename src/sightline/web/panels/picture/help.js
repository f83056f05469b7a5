/** The dialog with all keys. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

/** @type {readonly (readonly [string, string])[]} */
export const KEYS = [
  ["F", t`Full screen, and back`],
  [t`Space`, t`Freeze the picture, and go on`],
  ["R", t`The last pictures once more, and back to live`],
  [", .", t`One picture back, one on (then also: ← →)`],
  ["S", t`Snapshot`],
  ["K", t`Keep a clip: the last 30 s, and what follows`],
  ["O", t`Overlay on and off`],
  ["M", t`Next way to show it`],
  ["1 – 8", t`Ways to show it, in the list's order`],
  ["+ −", t`Zoom in, zoom out (also: wheel, two fingers, double click)`],
  [t`Shift + arrows`, t`Move the picture (also: drag it)`],
  ["0", t`Reset the zoom`],
  ["C", t`Fill the room, or fit the whole picture`],
  ["P", t`Picture in picture`],
  ["→ Z", t`Next live stream (also: a finger to the left)`],
  [t`← Shift + Z`, t`Previous live stream (also: a finger to the right)`],
  ["?", t`These keys`],
];

export function show() {
  document.getElementById("picture-keys")?.remove();
  const close = make("button", { type: "button", class: "button quiet square", "aria-label": t`Close` }, icon("close"));
  const rows = KEYS.map(([key, words]) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, words)));
  const dialog = make(
    "dialog",
    { id: "picture-keys", "aria-labelledby": "picture-keys-title" },
    make("div", { class: "dialog-head" }, make("h2", { id: "picture-keys-title" }, t`Keys`), close),
    make("dl", { class: "keys" }, ...rows),
  );
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
