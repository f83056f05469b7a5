/** Tokens: who may use this server. A new one is shown once. */

import { icon, make, setText } from "../../lib/dom.js";
import { locale, t } from "../../lib/i18n.js";
import { Newest } from "../../lib/newest.js";
import { askTokens, makeToken, revokeToken, why } from "../../wire/manage.js";
import { hold } from "../hold.js";
import { byId } from "../page.js";
import { Rows } from "../rows.js";
import { setUpCopy } from "../shell.js";

const ALL = "*";
const RIGHTS = { view: t`watches`, publish: t`is the camera of`, admin: t`manages` };
const WHEN = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

const about = byId("tokens-about", HTMLElement);
const form = byId("token-form", HTMLFormElement);
const problem = byId("token-problem", HTMLElement);
const rows = new Rows(byId("tokens-list", HTMLElement), ({ id }) => id, row);
const newest = new Newest();

export function setUpTokens() {
  const secret = byId("token-secret", HTMLTextAreaElement);
  setUpCopy(byId("token-copy", HTMLButtonElement), secret);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void add(secret);
  });
  byId("token-done", HTMLButtonElement).addEventListener("click", () => {
    secret.value = "";
    byId("token-made", HTMLElement).hidden = true;
    byId("token-stream", HTMLElement).focus();
  });
  return showTokens();
}

export async function showTokens() {
  const asked = newest.ask();
  const { body, refused } = await askTokens();
  if (!newest.takes(asked)) return;
  about.hidden = body?.enabled ?? false;
  if (refused) return setText(about, why(refused));
  form.hidden = !body.enabled;
  setText(about, body.enabled ? "" : t`This server asks nobody for a token. It does with --lan or --tunnel, and while LAN mode is open.`);
  rows.show(body.tokens);
}

/** @param {HTMLTextAreaElement} secret */
async function add(secret) {
  const seconds = Number(byId("token-expires", HTMLSelectElement).value);
  const stream = byId("token-stream", HTMLInputElement).value.trim() || ALL;
  const role = byId("token-role", HTMLSelectElement).value;
  hold(form, true);
  const { body, refused } = await makeToken({ role, stream, expires_s: seconds || null });
  hold(form, false);
  setText(problem, refused ? why(refused) : "");
  if (refused) return;
  secret.value = body.token;
  byId("token-made", HTMLElement).hidden = false;
  secret.focus();
  await changed();
}

function changed() {
  newest.changed();
  return showTokens();
}

/** @param {import("../../wire/manage.js").Token} token */
function row(token) {
  const { id, role, stream, kind, own } = token;
  const right = RIGHTS[/** @type {keyof typeof RIGHTS} */ (role)] ?? role;
  const who = own ? t`This browser` : kind === "browser" ? t`A browser` : t`A token`;
  const words = `${who} ${right} ${stream === ALL ? t`all streams` : stream}`;
  const deeds = make("div", { class: "deeds" });
  const item = make("li", { "data-token": id }, make("p", {}, words), make("p", { class: "hint" }, `${id} · ${times(token)}`), deeds);
  const revoke = make("button", { type: "button", class: "button" }, icon("bin"), t`Revoke`);
  revoke.append(make("span", { class: "unseen" }, ` ${id}`));
  revoke.addEventListener("click", () => confirm(deeds, id, own));
  deeds.append(revoke);
  return item;
}

/** @param {import("../../wire/manage.js").Token} token */
function times({ created_at, expires_at }) {
  const made = t`made ${WHEN.format(created_at)}`;
  if (expires_at === null) return t`${made}, never ends`;
  const end = WHEN.format(expires_at);
  return expires_at < Date.now() ? t`${made}, ended ${end}` : t`${made}, until ${end}`;
}

/** @param {HTMLElement} deeds @param {string} id @param {boolean} own */
function confirm(deeds, id, own) {
  const last = make("button", { type: "button", class: "button danger" }, own ? t`Revoke, which signs you out` : t`Revoke it now`);
  last.addEventListener("click", async () => {
    last.disabled = true;
    const { refused } = await revokeToken(id);
    last.disabled = false;
    setText(problem, refused ? why(refused) : "");
    await changed();
    if (!refused) byId("tokens-title", HTMLElement).focus();
  });
  deeds.replaceChildren(last);
  last.focus();
}
