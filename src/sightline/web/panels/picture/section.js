/** What the keys, the wheel, fingers and the buttons of the picture do. It comes with the first of them. */

import { WHOLE } from "../../lib/geometry.js";
import { t } from "../../lib/i18n.js";
import { FILL, remembered } from "../../lib/storage.js";
import { notice } from "../notice.js";
import { byId } from "../page.js";

/** Whether somebody has done such a thing here before: then it comes at once. */
let known = false;
const FIRST = ["keydown", "click", "wheel", "dblclick", "pointerdown"];

/** @param {import("./actions.js").About} about */
export function setUpPicture(about) {
  const { painter, signal } = about;
  const stage = byId("stage", HTMLElement);
  /** @type {Promise<import("./actions.js").Actions | null> | null} */
  let loading = null;
  const load = async () => {
    try {
      const { open } = await import("./actions.js");
      const actions = await open(about, stage);
      known = true;
      for (const name of FIRST) document.removeEventListener(name, first);
      return actions;
    } catch {
      loading = null;
      notice(t`What this does could not be loaded. Try again.`);
      return null;
    }
  };
  const first = (/** @type {Event} */ event) => {
    if (event instanceof WheelEvent && event.ctrlKey && event.composedPath().includes(stage)) event.preventDefault();
    loading ??= load();
    void loading.then((actions) => actions?.take(event));
  };
  for (const name of FIRST) document.addEventListener(name, first, { passive: false, signal });
  if (known) loading = load();
  if (remembered(FILL, "") === "true") {
    painter.view = { ...WHOLE, fill: true };
    document.querySelector('[data-do="fit"]')?.setAttribute("aria-pressed", "true");
  }
  byId("pip", HTMLElement).hidden = !document.pictureInPictureEnabled;
}
