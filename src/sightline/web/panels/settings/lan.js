/** LAN mode: whether it is open, since when, and the button that changes it. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { Newest } from "../../lib/newest.js";
import { askLan, why } from "../../wire/manage.js";
import { closer, opener, openSince, whatItDoes } from "../lan.js";
import { byId } from "../page.js";
import { showTokens } from "./tokens.js";

/** @typedef {import("../../wire/manage.js").Lan} Lan */

const newest = new Newest();
let shown = "";

/** Show it as it is now. */
export async function showLan() {
  const asked = newest.ask();
  const { body, refused } = await askLan();
  if (!newest.takes(asked)) return;
  const now = JSON.stringify(body ?? refused);
  if (now === shown) return;
  shown = now;
  byId("lan-now", HTMLElement).replaceChildren(...(body ? parts(body) : [make("p", {}, why(refused))]));
}

/** @param {Lan} lan */
function parts(lan) {
  const may = lan.here && !lan.why_not;
  if (lan.open) {
    const { close, problem } = closer(changed);
    const add = make("a", { class: "button", href: "/#new-phone" }, t`Add a phone`);
    return [make("p", {}, openSince(lan)), problem, make("div", { class: "actions" }, add, ...(lan.here ? [close] : []))];
  }
  const { open, problem } = opener(changed);
  return [...whatItDoes(lan), ...(may ? [problem, make("div", { class: "actions" }, open)] : [])];
}

async function changed() {
  newest.changed();
  await Promise.all([showLan(), showTokens()]);
  byId("lan-title", HTMLElement).focus(); // the button that was pressed is gone
}
