/** Where rules and zones are made, for a page on which nothing has happened yet. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { nameOf } from "../../wire/stream-names.js";
import { byId } from "../page.js";

const MOST = 6;

/** Offer the pages of these streams. @param {readonly string[]} streams */
export function showWhere(streams) {
  const links = streams.slice(0, MOST).map((name) => {
    return make("a", { class: "button main", href: `/view/${name}#zones` }, icon("eye"), nameOf(name));
  });
  const all = streams.length ? t`All streams` : t`Add a camera first`;
  const rest = streams.length && streams.length <= MOST ? [] : [make("a", { class: "button", href: "/" }, all)];
  byId("empty-streams", HTMLElement).replaceChildren(...links, ...rest);
}
