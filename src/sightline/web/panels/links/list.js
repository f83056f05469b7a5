/** The list of a stream's links, each with a button that copies it. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { whoAmI } from "../../wire/session.js";
import { setUpCopy } from "../shell.js";
import { linksOf } from "./links.js";

/** @param {string} stream @param {HTMLElement} body */
export async function listLinks(stream, body) {
  const [session, own] = await Promise.all([whoAmI(), ownAuthority()]);
  if (!session) throw new Error("the server does not answer");
  const place = { origin: location.origin, stream, tokens: session.tokens, origins: session.allowed_origins, own };
  body.replaceChildren(...linksOf(place).map(row));
}

/** Whether programs know this address's certificate only if they are told of the server's own authority. */
async function ownAuthority() {
  if (location.protocol !== "https:") return false;
  const answer = await fetch("/api/trust", { cache: "no-store" });
  return Boolean((await answer.json()).own);
}

/** @param {import("./links.js").Link} link */
function row({ id, name, text, hints }) {
  const lines = text.split("\n");
  const field = make("textarea", {
    ...{ id: `link-${id}`, rows: String(lines.length), wrap: "off", spellcheck: "false", "aria-describedby": `link-${id}-hint` },
    readonly: "",
  });
  field.value = text;
  const button = make("button", { type: "button", class: "button" }, make("span", {}, t`Copy`));
  button.prepend(icon("copy"));
  button.append(make("span", { class: "unseen" }, ` ${name}`));
  setUpCopy(button, field);
  const hint = make("div", { class: "hints", id: `link-${id}-hint` }, ...hints.map((text) => make("p", { class: "hint" }, text)));
  return make("div", { class: "link" }, make("label", { for: field.id }, name), field, hint, button);
}
