/**
 * Keys of the viewer's page. None is taken from a field, a dialog or a button.
 * F is in `fullscreen.js`: a browser wants it soon after the key, and what is here comes with the first of them.
 */

/** What has a use of its own for keys like these. */
const TYPING = "input:not([type=checkbox]):not([type=range]), select, textarea, dialog, [contenteditable]";
/** What the space bar or the arrows mean something to. */
const PRESSED = "button, a, summary, input";
const SLIDER = "input[type=range]";

/** @type {Readonly<Record<string, string>>} */
const ACTIONS = {
  " ": "freeze",
  s: "snapshot",
  k: "clip",
  r: "rewind",
  ",": "step back",
  ".": "step on",
  o: "overlay",
  m: "mode",
  z: "next",
  Z: "previous",
  ArrowRight: "right",
  ArrowLeft: "left",
  "+": "in",
  "=": "in",
  "-": "out",
  "0": "reset",
  c: "fit",
  p: "pip",
  "?": "keys",
};

/**
 * What a key means here; "" if nothing. A digit means a mode: "mode 1" is the first.
 *
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey" | "repeat" | "target" | "defaultPrevented">} event
 */
export function actionOf({ key, ctrlKey, metaKey, altKey, shiftKey, repeat, target, defaultPrevented }) {
  if (ctrlKey || metaKey || altKey || defaultPrevented || busy(target, TYPING)) return "";
  if (key.startsWith("Arrow") && busy(target, SLIDER)) return "";
  if (key.startsWith("Arrow") && shiftKey) return `pan ${key.slice(5).toLowerCase()}`;
  if (/^[1-8]$/.test(key)) return repeat ? "" : `mode ${key}`;
  if (key === " " && busy(target, PRESSED)) return "";
  const action = ACTIONS[key] ?? ACTIONS[key.toLowerCase()] ?? "";
  return repeat && !/^(in|out|step .*)$/.test(action) ? "" : action; // others mean one thing, however long they are down
}

/** @param {EventTarget | null} target @param {string} where */
function busy(target, where) {
  return Boolean(/** @type {Element | null} */ (target)?.closest?.(where));
}
