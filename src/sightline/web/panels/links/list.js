/** The list of a stream's links, each with a button that copies it. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { whoAmI } from "../../wire/session.js";
import { setUpCopy } from "../shell.js";
import { linksOf } from "./links.js";

/** @param {string} stream @param {HTMLElement} body */
export async function listLinks(stream, body) {
  const session = await whoAmI();
  if (!session) throw new Error("the server does not answer");
  const place = { origin: location.origin, stream, tokens: session.tokens, origins: session.allowed_origins };
  body.replaceChildren(...linksOf(place).map(row));
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
  const hint = make("p", { class: "hint", id: `link-${id}-hint` }, hints.join(" "));
  return make("div", { class: "link" }, make("label", { for: field.id }, name), field, hint, button);
}
