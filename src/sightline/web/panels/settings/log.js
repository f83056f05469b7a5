/** The log of the last hour, and what is logged while one looks. Its texts are peers' too, and shown as text alone. */

import { make, setText } from "../../lib/dom.js";
import { locale, t } from "../../lib/i18n.js";
import { askLog, why } from "../../wire/manage.js";
import { byId } from "../page.js";

const EVERY_MS = 2_000;
const MOST = 500;
const TIME = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });

const list = byId("log", HTMLElement);
const stream = byId("log-stream", HTMLSelectElement);
const level = byId("log-level", HTMLSelectElement);
let after = 0;
/** Counts what was asked for, so that a late answer to an earlier question is left out. */
let asked = 0;
/** The one that is under way: nobody asks twice for the same lines. */
let waiting = 0;

export function setUpLog() {
  for (const field of [stream, level]) field.addEventListener("change", () => void begin());
  void offerStreams();
  void begin();
  setInterval(() => {
    if (!document.hidden) void more();
  }, EVERY_MS);
}

async function offerStreams() {
  const answer = await fetch("/api/streams", { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return;
  /** @type {{streams: {name: string, display_name: string}[]}} */
  const { streams } = await answer.json();
  stream.append(...streams.map(({ name, display_name }) => make("option", { value: name }, display_name)));
}

/** Show the lines that fit the filters, anew. */
async function begin() {
  after = 0;
  asked += 1;
  list.replaceChildren();
  await more();
}

async function more() {
  const mine = asked;
  if (waiting === mine) return;
  waiting = mine;
  const { body, refused } = await askLog({ stream: stream.value, level: level.value, after });
  if (mine !== asked) return;
  waiting = 0;
  const about = byId("log-about", HTMLElement);
  if (refused) return setText(about, why(refused));
  after = body.next;
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(...body.lines.map(row));
  while (list.childElementCount > MOST) list.firstElementChild?.remove();
  setText(about, told(list.childElementCount));
  if (atEnd) showNewest();
}

/** The newest line is in sight from the start: while the page was hidden, the list had no height. */
export function showNewest() {
  list.scrollTop = list.scrollHeight;
}

/** @param {number} lines */
function told(lines) {
  if (!lines) return t`Nothing of that was logged in the last hour.`;
  return lines < MOST ? "" : t`These are the newest ${MOST} lines. The choices above lead to earlier ones.`;
}

/** @param {import("../../wire/manage.js").Line} line */
function row({ at, level: how, logger, text }) {
  const time = make("time", { datetime: new Date(at).toISOString() }, TIME.format(at));
  return make("li", { "data-level": how, title: logger }, time, make("span", { class: "level" }, how), make("span", { class: "text" }, text));
}
