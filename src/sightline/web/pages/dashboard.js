/** The start page: cards of all streams, a way to start a camera, and words for when the server is gone. */

import { StateBanner } from "../elements/state-banner.js";
import { setData, setText } from "../lib/dom.js";
import { plural } from "../lib/format.js";
import { said, t } from "../lib/i18n.js";
import { Newest } from "../lib/newest.js";
import { Card, standing } from "../panels/cards.js";
import { arrange } from "../panels/dashboard/arrange.js";
import { CardsInView } from "../panels/dashboard/cards-in-view.js";
import { CardList } from "../panels/dashboard/card-list.js";
import { setUpTools } from "../panels/dashboard/tools.js";
import { setUpInviting } from "../panels/invite.js";
import { setUpLanguage } from "../panels/language.js";
import { setUpNaming } from "../panels/name.js";
import { setUpNotify } from "../panels/notify.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { Thumbnails } from "../panels/thumbnails.js";
import { may, whoAmI } from "../wire/session.js";

/** @typedef {import("../wire/stream-stats.js").StreamStats} StreamStats */

const EVERY_MS = 1_000;
const RETRY_MS = 2_000;
const GIVE_UP_MS = 5_000;

const list = new CardList(byId("cards", HTMLUListElement));
const banner = byId("banner", StateBanner);
const thumbnails = new Thumbnails();
/** Known once the server has said it. @type {import("../wire/session.js").Session | null | undefined} */
let session;
const inView = new CardsInView((stream) => session !== undefined && may(session, "view", stream));
/** Somebody is putting a card elsewhere: the order is theirs until it is saved. */
let held = false;
const newest = new Newest();
/** @type {Map<string, Card>} */
const cards = new Map();
/** Ends the pause between two looks at the server. */
let goOn = () => {};

setUpShell();
setUpLanguage();
const tools = setUpTools(layOut);
const known = () => [...cards.values()].map((card) => card.stats);
const askName = setUpNaming(known);
let startCamera = askName;
/** Makes codes for phones, where there are any. @type {ReturnType<typeof setUpInviting> | undefined} */
let inviting;
/** Shows a code for a phone. @type {(() => void) | null} */
let invitePhone = null;
/** When LAN mode was opened. @type {number | null} */
let lanSince = null;
const newCamera = byId("new-camera", HTMLButtonElement);
newCamera.addEventListener("click", () => startCamera());
byId("first-camera", HTMLButtonElement).addEventListener("click", () => startCamera());
let suited = suitRights();
void suited.then(() => location.hash === "#new-camera" && startCamera()); // from the icon of the installed page
void setUpNotify("");
void run();

/** Offer only what this browser may do. */
async function suitRights() {
  session = await whoAmI();
  inView.update();
  if (session?.role === "admin" && session.stream === "*") offerManaging();
  if (!session?.tokens) return;
  setText(byId("who", HTMLElement), t`those you let in`);
  const { role, stream } = session;
  if (role === "admin") offerCodes(session, true);
  setData(document.body, "role", role ?? "none");
  if (role && stream !== "*") startCamera = () => location.assign(`/camera/${stream}#start`);
}

/** Offer codes for phones, or no longer. @param {import("../wire/session.js").Session} admin @param {boolean} on */
function offerCodes(admin, on) {
  const invite = byId("invite", HTMLButtonElement);
  setText(byId("who", HTMLElement), on ? t`those you let in` : t`anyone who can reach this server`);
  if (on && !inviting) {
    inviting = setUpInviting(admin, known);
    invite.addEventListener("click", inviting.open);
  }
  invitePhone = (on && inviting?.open) || null;
  invite.hidden = !on;
  if (!on) byId("inviting", HTMLDialogElement).close();
}

/** Show that LAN mode is open, or no longer. @param {number | null} since when it was opened */
async function followLan(since) {
  const { showLan } = await import("../panels/lan.js");
  if (!(await showLan(byId("lan", StateBanner), lanChanged))) return; // the next look tries it again
  lanSince = since;
  if (session && !session.tokens) offerCodes(session, since !== null); // else they are offered as long as the server runs
  if (since === null || location.hash !== "#new-phone") return;
  history.replaceState(null, "", "/"); // the page of settings led here
  invitePhone?.();
}

/** This page has opened LAN mode, or closed it. @param {import("../wire/manage.js").Lan} lan */
function lanChanged({ since }) {
  changed();
  return followLan(since);
}

/** What few visits need is fetched once somebody begins with it. */
function offerManaging() {
  const add = byId("add-camera", HTMLButtonElement);
  const street = byId("street", HTMLButtonElement);
  add.hidden = street.hidden = false;
  const first = byId("first-camera", HTMLButtonElement).lastChild;
  if (first) first.textContent = t`Add a camera`;
  setData(document.body, "manages", "true");
  void import("../panels/dashboard/moving.js").then(({ setUpMoving }) => {
    setUpMoving(list.element, byId("moved", HTMLElement), (moving) => {
      held = moving;
      if (!moving) changed();
    });
  });
  startCamera = async () => {
    const { addDialog } = await import("../panels/cameras/add.js");
    /** @param {import("../wire/manage.js").Lan} lan */
    const letIn = (lan) => void lanChanged(lan).then(() => invitePhone?.());
    if (!asks()) addDialog({ known, name: askName, invite: invitePhone, letIn, done: changed });
  };
  add.addEventListener("click", () => startCamera());
  street.addEventListener("click", async () => {
    street.disabled = true;
    await import("../panels/cameras/add.js").then(({ addStreet }) => addStreet(changed)).finally(() => (street.disabled = false));
  });
}

/** Whether a dialog is open: whoever clicked twice while it was fetched gets one. */
function asks() {
  return document.querySelector("dialog[open]") !== null;
}

/** This page has changed something: look at it at once. */
function changed() {
  newest.changed();
  goOn();
}

/** @param {Card} card */
async function manage(card) {
  const { manageDialog } = await import("../panels/cameras/manage.js");
  if (!asks()) manageDialog(card.stats, changed);
}

async function run() {
  document.addEventListener("visibilitychange", () => goOn());
  for (;;) {
    const answered = document.hidden || (await refresh());
    await new Promise((resolve) => {
      goOn = () => resolve(undefined);
      setTimeout(goOn, answered ? EVERY_MS : RETRY_MS);
    });
  }
}

/** Show how things stand now. Returns false where the server does not answer. */
async function refresh() {
  const asked = newest.ask();
  if (session === null) suited = suitRights(); // the server did not say it as yet
  try {
    const [{ streams, ready, reason, trouble, lan_since }] = await Promise.all([ask(), suited]); // all buttons come at once
    if (!newest.takes(asked)) return refresh();
    show(streams);
    if (lan_since !== lanSince) await followLan(lan_since);
    setText(byId("server", HTMLElement), ready ? t`server ready` : said(reason));
    setData(document.body, "state", streams.length ? "live" : "empty");
    banner.say(trouble ? { icon: "warning", kind: "warning", title: trouble } : null);
  } catch (error) {
    if (error instanceof SignInFirst) askToSignIn();
    else showGone();
    return error instanceof SignInFirst;
  }
  return true;
}

function showGone() {
  for (const card of cards.values()) card.unknown();
  setText(byId("server", HTMLElement), t`no connection`);
  setText(byId("totals", HTMLElement), "");
  setData(document.body, "state", "gone");
  banner.say({
    icon: "off",
    kind: "warning",
    title: t`The server doesn't answer`,
    text: t`It may have been stopped, or the network is down. This page goes on by itself.`,
    retryAt: performance.now() + RETRY_MS,
    actions: [{ text: t`Try now`, id: "retry", run: () => goOn() }],
  });
}

/** Thrown when the server does not know this browser, or no longer does. */
class SignInFirst extends Error {}

function askToSignIn() {
  show([]);
  byId("empty", HTMLElement).hidden = true;
  setText(byId("server", HTMLElement), t`signed out`);
  setData(document.body, "state", "signed-out");
  banner.say({
    icon: "key",
    title: t`Please sign in`,
    text: t`Scan the code in the server's terminal, or one that an admin of this server makes for you on this page.`,
    actions: [{ text: t`Sign in with a token`, id: "sign-in", main: true, href: "/join" }],
  });
}

/** @returns {Promise<{streams: StreamStats[], ready: boolean, reason: string, trouble?: string, lan_since: number | null}>} */
async function ask() {
  const response = await fetch("/api/streams", { signal: AbortSignal.timeout(GIVE_UP_MS), cache: "no-store" });
  if (response.status === 401) throw new SignInFirst();
  if (!response.ok) throw new Error(`${response.status}`);
  return response.json();
}

/** @param {StreamStats[]} streams */
function show(streams) {
  const names = new Set(streams.map((s) => s.name));
  for (const [name, card] of cards) {
    if (names.has(name)) continue;
    thumbnails.remove(card);
    inView.remove(card);
    card.element.remove();
    cards.delete(name);
  }
  for (const stats of streams) {
    const card = cards.get(stats.name) ?? added(stats);
    card.show(stats);
    cards.delete(stats.name); // cards are in the server's order
    cards.set(stats.name, card);
  }
  layOut();
  inView.update();
  tools.show(streams.length);
  inviting?.look();
  setText(byId("totals", HTMLElement), streams.length ? totals(streams) : "");
  byId("empty", HTMLElement).hidden = streams.length > 0;
  byId("new-camera", HTMLElement).hidden = streams.length === 0;
}

/** @param {StreamStats[]} streams */
function totals(streams) {
  const states = streams.map((stats) => standing(stats).state);
  const resting = states.filter((state) => state === "resting").length;
  const viewers = streams.reduce((sum, s) => sum + s.viewers, 0);
  const parts = [t`${states.filter((state) => state === "live").length} live`, plural(viewers, "viewer")];
  if (resting) parts.splice(1, 0, t`${resting} resting`);
  return parts.join(" · ");
}

/** @param {StreamStats} stats */
function added(stats) {
  const card = new Card(stats, manage);
  thumbnails.add(card);
  inView.add(card);
  return card;
}

/** Put the cards in the order that is wanted, without those that are not. */
function layOut() {
  if (held) return;
  const { sort, search } = tools.wanted();
  const groups = arrange(known(), sort, search);
  setData(document.body, "order", search ? "found" : sort);
  list.show(groups, (name) => cards.get(name)?.element);
  setText(byId("unfit", HTMLElement), cards.size && !groups.length ? t`No stream is called “${search}”.` : "");
}
