/** A line of a list of checks: well, to be noted, or wrong. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

const KINDS = { ok: "good", note: "warning", problem: "error" };
const ICONS = { ok: "done", note: "more", problem: "warning" };

const WORDS = { ok: "", note: t`: note`, problem: t`: problem` };

/** @param {"ok" | "note" | "problem"} state @param {string} what @param {string} text @param {string} mend */
export function row(state, what, text, mend = "") {
  const name = make("span", { class: "name" }, what);
  if (state !== "ok") name.append(make("span", { class: "unseen" }, WORDS[state]));
  const item = make("li", { "data-kind": KINDS[state] }, icon(ICONS[state]), name, make("p", {}, text));
  if (mend) item.append(make("p", {}, make("code", {}, mend)));
  return item;
}
