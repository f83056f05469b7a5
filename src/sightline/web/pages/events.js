/** The events page: what happened in the streams, newest first, and what happens now. */

import { icon, make } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Detail } from "../panels/events/detail.js";
import { Feed } from "../panels/events/feed.js";
import { FilterForm } from "../panels/events/filter-form.js";
import { anySet, readFilters, toSearch } from "../panels/events/filters.js";
import { setUpKeys } from "../panels/events/keys.js";
import { EventList } from "../panels/events/list.js";
import { keepPlace, kept } from "../panels/events/place.js";
import { showWhere } from "../panels/events/where.js";
import { newInWords } from "../panels/events/words.js";
import { notice } from "../panels/notice.js";
import { setUpNotify } from "../panels/notify.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { askEvent, deleteEvent, followEvents } from "../wire/events.js";
import { may, whoAmI } from "../wire/session.js";
import { learnNames } from "../wire/stream-names.js";
import { showSituation } from "./events-show.js";
import { refusedOf } from "./events-state.js";

/**
 * @typedef {import("../wire/events.js").Happening} Happening
 * @typedef {import("../panels/events/filters.js").Filters} Filters
 */

const TICK_MS = 1_000;
const ALL_TICKS = 10;
const RETRY_MS = 1_500;
const FAR_PX = 1_200;
/** Pages that are asked for to find the place again at which somebody was. */
const MOST_PAGES = 40;

const feed = new Feed(readFilters(location.search));
const form = new FilterForm((filters) => void filterBy(filters));
const list = new EventList(byId("days", HTMLElement), (id) => `/events${toSearch(feed.filters, id)}`, open);
const detail = new Detail({ close, move: step, remove });
/** @type {import("../wire/session.js").Session | null} */
let session = null;
/** @type {import("../wire/socket.js").LiveSocket | undefined} */
let live;
let retryAt = 0;
let hadServer = false;
const now = () => Date.now() / 1000;

const keep = keepPlace(() => list.place);
/** Row that has the focus once the detail is closed, in place of the one that was open. */
let returnTo = "";

async function run() {
  setUpShell();
  void setUpNotify("");
  form.show(feed.filters);
  setUpKeys({ move: (by) => (detail.id ? step(by) : list.move(by)), find: () => form.focus(), fresh: () => void reveal() });
  byId("no-filters", HTMLButtonElement).addEventListener("click", () => form.clear());
  byId("any-time", HTMLButtonElement).addEventListener("click", () =>
    goTo({ ...feed.filters, last: "", since: "", until: "" }),
  );
  byId("foot-retry", HTMLButtonElement).addEventListener("click", () => void older());
  addEventListener("popstate", () => void comeBack());
  new IntersectionObserver(() => void older(), { rootMargin: `${FAR_PX}px` }).observe(byId("foot", HTMLElement));
  let ticks = 0;
  setInterval(() => tick((ticks += 1) % ALL_TICKS === 0), TICK_MS);
  const beginning = begin();
  while (!(session = await whoAmI())) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  const only = session?.tokens && session.stream !== "*" ? (session.stream ?? "") : "";
  live = followEvents(only, take, onPhase);
  live.open();
  void knowStreams();
  await beginning;
  show();
}

/** Ask for the list, and go to where the person was on it. */
async function begin() {
  const { place = null } = kept();
  const days = byId("days", HTMLElement);
  days.ariaBusy = "true"; // it is the list of before
  const found = await feed.begin();
  days.ariaBusy = String(feed.loading);
  if (found) {
    list.clear();
    add(found);
    for (let n = 0; place && n < MOST_PAGES && !list.restore(place) && feed.more; n += 1) add(await feed.older());
    if (!list.size) list.prepend(feed.history.reveal(), now()); // it came while the list was under way
    if (!place) window.scrollTo({ top: 0, behavior: "instant" });
  }
  show();
  if (!openId()) detail.hide();
  else if (detail.id !== openId()) await present(openId());
  void older();
}

/** @param {readonly Happening[]} found */
function add(found) {
  list.append(found, now());
  learn(found);
}

async function older() {
  if (!feed.more || feed.loading || byId("foot", HTMLElement).getBoundingClientRect().top > innerHeight + FAR_PX) return;
  add(await feed.older());
  show();
  if (!feed.failed) void older();
}

/** @param {import("../wire/events.js").EventMessage} message */
function take(message) {
  const one = feed.take(message);
  if (one) changed(one, message.snapshot ? message.number : 0);
  learn([message]);
  if (!list.size) list.prepend(feed.history.reveal(), now()); // there is nothing that could move
  show();
}

/**
 * @param {Happening} one that is on the page, or open @param {number} version of its picture, 0 for the one that is there
 */
function changed(one, version = 0) {
  list.update(one, now(), version);
  if (openId() === one.id) showDetail(one, version);
}

/** @param {import("../wire/socket.js").Phase} phase @param {number} at */
async function onPhase(phase, at) {
  retryAt = at;
  if (phase === "open") {
    live?.healthy();
    hadServer = true;
    if (feed.refused) await begin();
    else for (const one of await feed.newest()) changed(one);
  }
  show();
}

/** Put those that came meanwhile on the page, and go there. */
async function reveal() {
  if (!feed.history.waiting) return;
  if (feed.history.overflown) {
    history.replaceState({}, "");
    return begin();
  }
  list.prepend(feed.history.reveal(), now());
  show();
  window.scrollTo({ top: 0 });
  list.focus("");
}

/** @param {Filters} filters */
function goTo(filters) {
  form.show(filters);
  return filterBy(filters);
}

/** @param {Filters} filters */
async function filterBy(filters) {
  if (toSearch(filters) === toSearch(feed.filters)) return;
  keep();
  history.pushState({}, "", `/events${toSearch(filters)}`);
  feed.filters = filters;
  await begin();
}

/** The browser went back or forward. */
async function comeBack() {
  const filters = readFilters(location.search);
  if (toSearch(filters) !== toSearch(feed.filters)) {
    feed.filters = filters;
    form.show(filters);
    return begin();
  }
  if (openId()) return present(openId());
  const closed = returnTo || detail.id;
  returnTo = "";
  detail.hide();
  if (closed) list.focus(closed);
}

/**
 * Show what is known of an event, and what the server knows by now: messages do not tell the box of its last picture.
 *
 * @param {string} id
 */
async function present(id) {
  const known = feed.history.find(id);
  if (known) showDetail(known);
  const { body, refused } = await askEvent(id);
  if (id !== openId()) return; // the person has gone on
  if (body) return changed(feed.history.note(body));
  if (known && refused.status !== 404) return;
  detail.hide();
  history.replaceState(kept(), "", `/events${toSearch(feed.filters)}`);
  if (refused.status === 404) notice(t`That event is no longer kept.`);
}

/** Id of the event that the address names; "" for none. */
function openId() {
  return new URLSearchParams(location.search).get("event") ?? "";
}

/** @param {string} id */
function open(id) {
  keep();
  history.pushState({ ...kept(), opened: true }, "", `/events${toSearch(feed.filters, id)}`);
  void present(id);
}

function close() {
  if (kept().opened) return history.back(); // comeBack closes it
  history.replaceState(kept(), "", `/events${toSearch(feed.filters)}`);
  void comeBack();
}

/** Go to the neighbour of the event that is open. @param {number} by */
async function step(by) {
  let one = feed.history.beside(detail.id, by);
  if (!one && by > 0 && feed.more) {
    add(await feed.older());
    one = feed.history.beside(detail.id, by);
  }
  if (!one) return;
  history.replaceState(kept(), "", `/events${toSearch(feed.filters, one.id)}`);
  list.focus(one.id);
  void present(one.id);
}

/** @param {Happening} one @param {number} version of its picture, 0 for the one that is there */
function showDetail(one, version = 0) {
  const { history: known } = feed;
  const newer = known.beside(one.id, -1) !== undefined;
  const older = known.beside(one.id, 1) !== undefined || feed.more;
  detail.show(one, now(), { mayDelete: may(session, "publish", one.stream), newer, older }, version);
}

/** @param {Happening} one */
async function remove({ id }) {
  const { refused } = await deleteEvent(id);
  const here = openId() === id; // the person may have gone on
  if (refused && refused.status !== 404) {
    const problem = refused.status ? t`It was not deleted: ${refused.message}.` : t`It was not deleted: the server does not answer.`;
    if (here) return problem;
    notice(problem);
    return "";
  }
  if (here) returnTo = (feed.history.beside(id, 1) ?? feed.history.beside(id, -1))?.id ?? "";
  feed.history.remove(id);
  list.remove(id);
  show();
  if (here) close();
  return "";
}

/** Offer what was met as filters. @param {readonly (Happening | import("../wire/events.js").EventMessage)[]} met */
function learn(met) {
  form.suggest("stream", met.map((one) => one.stream));
  form.suggest("kind", met.map((one) => one.kind));
  form.suggest("class", met.map((one) => one.class_name ?? ""));
  form.suggest("zone", met.map((one) => one.zone ?? ""));
  form.suggest("rule", met.map((one) => one.rule ?? ""));
}

async function knowStreams() {
  const names = await learnNames();
  form.suggest("stream", names);
  form.showNames();
  list.tick(now(), true);
  showWhere(names);
  const one = feed.history.find(openId());
  if (one) showDetail(one);
}

/** @param {boolean} all */
function tick(all) {
  if (hadServer && live?.phase !== "open") return; // nobody knows how long they last
  list.tick(now(), all);
  detail.tick(now());
}

function show() {
  const { history: known, loading, more, failed, filters } = feed;
  const refused = feed.refused ?? refusedOf(live);
  const situation = { loading, refused, live: live?.phase ?? "connecting", retryAt, hadServer, more };
  showSituation({ ...situation, count: list.size, filtered: anySet(filters) }, filters, failed, retryNow);
  const fresh = known.waiting ? newInWords(known.waiting, known.overflown) : "";
  document.title = `${fresh && `(${known.waiting}) `}${t`Events · Sightline`}`;
  const place = byId("fresh", HTMLElement);
  if (place.textContent === fresh) return;
  const button = make("button", { type: "button", class: "button main", id: "show-fresh" }, icon("up"), fresh);
  button.addEventListener("click", () => void reveal());
  place.replaceChildren(...(fresh ? [button] : []));
}

function retryNow() {
  live?.retryNow();
  if (feed.refused) void begin();
}

void run();
