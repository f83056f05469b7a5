/** Dialog with a code for somebody's phone or browser. The code lets them in once, for one purpose. */

import { setText } from "../lib/dom.js";
import { said, t } from "../lib/i18n.js";
import { freeName, isStreamName } from "../lib/stream-name.js";
import { byId } from "./page.js";
import { setUpCopy } from "./shell.js";

const EVERY_STREAM = "*";

/**
 * @param {import("../wire/session.js").Session} session of an admin
 * @param {() => {name: string, state: string}[]} streams those there are
 * @returns {{open: () => void, look: () => void}} `look` is to be called whenever the streams have changed
 */
export function setUpInviting(session, streams) {
  const dialog = byId("inviting", HTMLDialogElement);
  const form = byId("inviting-form", HTMLFormElement);
  const role = byId("invite-role", HTMLSelectElement);
  const field = byId("invite-stream", HTMLInputElement);
  const problem = byId("invite-problem", HTMLElement);
  const shown = byId("invite-shown", HTMLElement);
  const link = byId("invite-link", HTMLTextAreaElement);
  const title = byId("inviting-title", HTMLElement);
  const joined = byId("invite-joined", HTMLElement);

  let latest = 0;
  /** Stream of the phone that is to scan the code; "" if none is. */
  let awaited = "";
  const complain = (/** @type {string} */ text) => {
    setText(problem, text);
    field.setAttribute("aria-invalid", String(text !== ""));
  };
  const suggest = () => {
    const names = streams().map((s) => s.name);
    if (session.stream !== EVERY_STREAM) field.value = session.stream ?? "";
    else if (role.value === "publish") field.value = freeName(names, "phone");
    else field.value = role.value === "view" && names.length === 1 ? (names[0] ?? "") : "";
    field.readOnly = session.stream !== EVERY_STREAM;
    field.placeholder = role.value === "publish" ? "" : t`every stream`;
  };
  const forget = () => {
    latest += 1;
    awaited = "";
    shown.hidden = joined.hidden = true;
    setText(title, t`Add a phone`);
    byId("invite-code", HTMLImageElement).removeAttribute("src");
    link.value = "";
    complain("");
  };

  const isLive = (/** @type {string} */ name) => streams().some((s) => s.name === name && s.state === "live");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = field.value.trim();
    const everything = !name && role.value !== "publish";
    if (!everything && !isStreamName(name)) {
      forget();
      complain(t`Name the stream: letters without accents, digits, “-” and “_”, at most 64.`);
      field.focus();
      return;
    }
    try {
      const asked = (latest += 1);
      const ticket = await make(role.value, everything ? EVERY_STREAM : name);
      if (asked !== latest) return; // the person has gone on
      const minutes = Math.round(ticket.expires_s / 60);
      byId("invite-code", HTMLImageElement).src = ticket.qr;
      link.value = ticket.url;
      setText(byId("invite-worth", HTMLElement), t`${worth(role.value, name)} It works once, within ${minutes} minutes.`);
      shown.hidden = false;
      joined.hidden = true;
      setText(title, t`Add a phone`);
      complain("");
      awaited = role.value === "publish" && !isLive(name) ? name : "";
    } catch (error) {
      forget();
      complain(error instanceof Error ? error.message : t`That did not work.`);
    }
  });
  role.addEventListener("change", () => {
    suggest();
    forget();
    form.requestSubmit();
  });
  field.addEventListener("input", forget);
  dialog.addEventListener("close", forget);
  byId("inviting-done", HTMLButtonElement).addEventListener("click", () => dialog.close());
  setUpCopy(byId("invite-copy", HTMLButtonElement), link);

  return {
    open() {
      suggest();
      forget();
      dialog.showModal();
      form.requestSubmit();
    },
    look() {
      if (!awaited || !isLive(awaited)) return;
      const name = awaited;
      suggest(); // for the next one
      forget();
      setText(title, t`“${name}” is live`);
      byId("invite-watch", HTMLAnchorElement).href = `/view/${name}`;
      joined.hidden = false;
    },
  };
}

/** @param {string} role @param {string} stream @returns {Promise<{url: string, qr: string, expires_s: number}>} */
async function make(role, stream) {
  const answer = await fetch("/api/tickets", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ role, stream }),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(said(told.error.message));
  return told;
}

/** @param {string} role @param {string} stream */
function worth(role, stream) {
  const which = stream ? t`the stream “${stream}”` : t`every stream`;
  if (role === "publish") return t`Whoever scans this becomes the camera of ${which}.`;
  return role === "view" ? t`Whoever scans this may watch ${which}.` : t`Whoever scans this may do everything with ${which}.`;
}
