/** Full screen: the picture with its name, state and figures. The key F enters and leaves it. */

import { t } from "../lib/i18n.js";
import { byId } from "./page.js";

/** Wire `#fullscreen`, where the browser can do it. */
export function setUpFullscreen() {
  const button = byId("fullscreen", HTMLButtonElement);
  button.hidden = !document.fullscreenEnabled;
  if (button.hidden) return;
  const say = () => {
    const text = document.fullscreenElement ? t`Leave full screen (F)` : t`Full screen (F)`;
    button.setAttribute("aria-label", text);
    button.title = text;
  };
  button.addEventListener("click", () => void toggle());
  document.addEventListener("fullscreenchange", say);
  setUpAwake();
  document.addEventListener("keydown", (event) => {
    const { target, key, ctrlKey, metaKey, altKey, repeat } = event;
    const typing = target instanceof HTMLElement && target.matches("input, select, textarea, dialog *");
    if (key.toLowerCase() !== "f" || ctrlKey || metaKey || altKey || repeat || typing) return;
    void toggle();
  });
  say();
}

/** The screen stays on while the picture has all of it. */
function setUpAwake() {
  /** @type {import("../lib/awake.js").Awake | undefined} */
  let awake;
  const suit = async () => {
    const full = document.fullscreenElement !== null;
    if (full) awake ??= new (await import("../lib/awake.js")).Awake();
    await awake?.stay(full);
  };
  for (const name of ["fullscreenchange", "visibilitychange"]) document.addEventListener(name, () => void suit());
}

async function toggle() {
  if (document.fullscreenElement) {
    await document.exitFullscreen();
    return;
  }
  await document.documentElement.requestFullscreen().catch(() => {}); // the browser said no, and tells so itself
  // A phone that is held upright would give a wide picture a quarter of its height.
  const { orientation } = /** @type {{orientation?: {lock?: (to: string) => Promise<void>}}} */ (screen);
  if (document.body.dataset["shape"] === "wide") await orientation?.lock?.("landscape").catch(() => {});
}
