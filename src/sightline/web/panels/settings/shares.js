/** Links with which others see one time of a recording. */

import { icon, make, setText } from "../../lib/dom.js";
import { locale, t } from "../../lib/i18n.js";
import { Newest } from "../../lib/newest.js";
import { why } from "../../wire/manage.js";
import { askShares, takeBack } from "../../wire/shares.js";
import { byId } from "../page.js";
import { Rows } from "../rows.js";

const WHEN = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

const rows = new Rows(byId("shares-list", HTMLElement), ({ id }) => id, row);
const newest = new Newest();
const problem = byId("shares-problem", HTMLElement);

export async function showShares() {
  const asked = newest.ask();
  const { body, refused } = await askShares();
  if (!newest.takes(asked)) return;
  if (refused) return setText(problem, why(refused));
  rows.show(body.shares);
  setText(byId("shares-about", HTMLElement), body.shares.length ? "" : t`There is none yet.`);
}

/** @param {import("../../wire/shares.js").Share} share */
function row({ id, stream, from, to, export: file, ends_at, path }) {
  const when = WHEN.format(from * 1000);
  const link = make("a", { href: path }, file ? t`A file of ${stream}, ${when}` : t`The recording of ${stream}, ${when}`);
  const times = t`${Math.round(to - from)} s, good until ${WHEN.format(ends_at * 1000)}`;
  const button = make("button", { type: "button", class: "button" }, icon("bin"), t`Take back`);
  button.append(make("span", { class: "unseen" }, ` ${t`the link to ${stream}`}`));
  button.addEventListener("click", async () => {
    button.disabled = true;
    const { refused } = await takeBack(id);
    button.disabled = false;
    setText(problem, refused ? why(refused) : "");
    newest.changed();
    await showShares();
    byId("shares-title", HTMLElement).focus();
  });
  return make("li", { "data-share": id }, make("p", {}, link), make("p", { class: "hint" }, times), make("div", { class: "deeds" }, button));
}
