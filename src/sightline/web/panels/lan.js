/** LAN mode: what it does, a way to open it, and words while it is open. Comes once somebody needs it. */

import { make } from "../lib/dom.js";
import { locale, t } from "../lib/i18n.js";
import { Newest } from "../lib/newest.js";
import { askLan, closeLan, openLan, why } from "../wire/manage.js";
import { button, openDialog, problemPlace } from "./cameras/dialog.js";
import { byId } from "./page.js";

/** @typedef {import("../wire/manage.js").Lan} Lan */

const WHEN = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const COMMAND = "sightline serve --lan";
const newest = new Newest();

/** What it does, or why it can't be opened. @param {Lan} lan while it is closed */
export function whatItDoes(lan) {
  const open = make("p", { class: "hint" }, t`To have it open at every start, use:`, " ", make("code", {}, COMMAND));
  if (lan.why_not) return [make("p", {}, why({ message: lan.why_not }))];
  if (!lan.here) return [make("p", {}, t`LAN mode is opened at the server's own machine: open this page there, as localhost.`), open];
  return [
    make("p", {}, t`This computer alone reaches this server. LAN mode opens it to your network, too, until you close it or the server ends.`),
    make("p", {}, t`Whoever comes that way needs a code or a token of yours. For this computer nothing changes, and streams and recordings go on.`),
    open,
  ];
}

/** @param {Lan} lan while it is open */
export function openSince({ url, since }) {
  return t`LAN mode is open at ${url} since ${WHEN.format(since ?? 0)}. Whoever comes that way needs a code or a token.`;
}

/**
 * The button that opens it, and where it is said why that failed.
 *
 * @param {(lan: Lan) => void} done
 */
export function opener(done) {
  const problem = problemPlace();
  const open = button(t`Let phones in`, "main", () => void act(open, problem, openLan, done));
  return { open, problem: problem.element };
}

/** @param {(lan: Lan) => void} done */
export function closer(done) {
  const problem = problemPlace();
  const close = button(t`Close it`, "", () => void act(close, problem, closeLan, done));
  return { close, problem: problem.element };
}

/**
 * @param {HTMLButtonElement} pressed @param {{say: (text: string) => void}} problem
 * @param {() => Promise<{body: Lan, refused: null} | {body: null, refused: {message: string}}>} ask @param {(lan: Lan) => void} done
 */
async function act(pressed, problem, ask, done) {
  pressed.disabled = true;
  const { body, refused } = await ask();
  pressed.disabled = false;
  problem.say(refused ? why(refused) : "");
  if (body) done(body);
}

/** What a phone needs, on a server that other machines don't reach. @param {() => void} back @param {(lan: Lan) => void} opened */
export async function lanDialog(back, opened) {
  const { body: lan, refused } = await askLan();
  if (document.querySelector("dialog[open]")) return; // the person has gone on
  const { open, problem } = opener((now) => {
    close();
    opened(now);
  });
  const goBack = button(t`Back`, "", () => {
    close();
    back();
  });
  const can = lan && lan.here && !lan.why_not;
  const needs = make("a", { class: "button", href: "/trust" }, t`What a phone needs`);
  const said = lan ? whatItDoes(lan) : [make("p", {}, why(refused))];
  const actions = make("div", { class: "actions" }, ...(can ? [goBack, open] : [needs, goBack]));
  const { close } = openDialog(t`Add a phone`, ...said, problem, actions);
}

/**
 * Say on the start page, and where codes are made, that it is open. Returns false where the server does not tell.
 *
 * @param {import("../elements/state-banner.js").StateBanner} banner @param {(lan: Lan) => void} changed
 */
export async function showLan(banner, changed) {
  const asked = newest.ask();
  const { body: lan } = await askLan();
  if (!lan) return false;
  if (newest.takes(asked)) show(lan, banner, changed);
  return true;
}

/** @param {Lan} lan @param {import("../elements/state-banner.js").StateBanner} banner @param {(lan: Lan) => void} changed */
function show(lan, banner, changed) {
  document.getElementById("invite-lan")?.remove();
  if (!lan.open) return banner.say(null);
  const text = openSince(lan);
  const actions = lan.here ? [{ text: t`Close it`, id: "close-lan", run: () => void shut() }] : [];
  banner.say({ icon: "phone", title: t`Phones can reach this server`, text, actions });
  const { close, problem } = closer(changed);
  const short = make("p", { class: "hint" }, t`LAN mode is open since ${WHEN.format(lan.since ?? 0)}.`);
  const line = make("div", { id: "invite-lan", class: "with-button" }, short, ...(lan.here ? [close] : []));
  line.append(problem);
  byId("inviting-form", HTMLFormElement).querySelector(".actions")?.before(line);

  async function shut() {
    const { body, refused } = await closeLan();
    if (body) changed(body);
    else banner.say({ icon: "warning", kind: "error", title: why(refused) });
  }
}
