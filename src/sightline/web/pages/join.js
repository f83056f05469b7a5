/** The page for signing in. A scanned code brings a ticket behind the #, which no server, log or Referer ever sees. */

import { setData, setText } from "../lib/dom.js";
import { said, t } from "../lib/i18n.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { whoAmI } from "../wire/session.js";

/** @typedef {import("../wire/session.js").Session & {page: string}} Session */

const form = byId("form", HTMLFormElement);
const field = byId("token", HTMLInputElement);
const problem = byId("problem", HTMLElement);
const signOut = byId("sign-out", HTMLButtonElement);

setUpShell();
form.addEventListener("submit", (event) => {
  event.preventDefault();
  const token = field.value.trim();
  if (token) void show({ token });
  else complain(t`Paste a token first.`);
});
field.addEventListener("input", () => complain(""));
signOut.addEventListener("click", async () => {
  await fetch("/api/session", { method: "DELETE" });
  location.reload();
});
addEventListener("hashchange", begin);
begin();

function begin() {
  const ticket = location.hash.slice(1);
  if (!ticket) {
    void ask();
    return;
  }
  history.replaceState(null, "", location.pathname); // the ticket must not stay in the history
  void show({ ticket });
}

/**
 * Exchange credentials for the cookie, and go to the page that they are for.
 *
 * @param {{ticket: string} | {token: string}} credentials
 */
async function show(credentials) {
  const scanned = "ticket" in credentials;
  try {
    const answer = await fetch("/api/session", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(credentials),
    });
    const told = await answer.json();
    if (answer.ok) location.replace(/** @type {Session} */ (told).page);
    else if (scanned) ask(t`This code does not work any more`, t`${sentence(told)} Each code works once.`);
    else complain(sentence(told));
  } catch {
    if (scanned) ask(t`The server doesn't answer`, t`Is it still running, and are you on its network? Then scan again.`);
    else complain(t`The server doesn't answer.`);
  }
}

/** Ask for a token. @param {string} [title] @param {string} [text] */
async function ask(title = "", text = t`This server wants to know who you are.`) {
  const session = await whoAmI();
  if (session && !session.tokens) {
    location.replace("/");
    return;
  }
  if (session?.role && !title) {
    title = t`You are signed in`;
    text = t`You may ${words(session)}. Another token, or a scanned code, replaces that.`;
  }
  setText(byId("title", HTMLElement), title || t`Sign in`);
  setText(byId("text", HTMLElement), text);
  signOut.hidden = !session?.role;
  form.hidden = false;
  setData(document.body, "state", "asking-token");
}

/** @param {import("../wire/session.js").Session} session */
function words({ role, stream }) {
  const which = stream === "*" ? t`every stream` : t`the stream “${stream}”`;
  if (role === "admin") return t`do everything with ${which}`;
  return role === "publish" ? t`be the camera of ${which}` : t`watch ${which}`;
}

/** @param {string} text */
function complain(text) {
  setText(problem, text);
  field.setAttribute("aria-invalid", String(text !== ""));
  if (text) field.focus();
}

/** @param {{error?: {message?: string}}} told */
function sentence({ error }) {
  const text = error?.message ? said(error.message) : t`The server refused.`;
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
