/** The timeline: what was recorded of one stream or of all, played with the viewer's own overlays. */

import { SightlineViewer } from "../elements/sightline-viewer.js";
import { StateBanner } from "../elements/state-banner.js";
import { make, setData, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { KINDS } from "../panels/events/words.js";
import { setUpLooks } from "../panels/looks.js";
import { notice } from "../panels/notice.js";
import { ObjectList } from "../panels/objects.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { drawAxis, setUpLengths, shorten } from "../panels/timeline/axis.js";
import { Calendar } from "../panels/timeline/calendar.js";
import { Contents, hoursWith } from "../panels/timeline/content.js";
import { setUpControls, showState } from "../panels/timeline/controls.js";
import { ExportButton } from "../panels/timeline/export-button.js";
import { ClassFilter } from "../panels/timeline/filter.js";
import { LEAD_S, eventBeside } from "../panels/timeline/jump.js";
import { setUpReplay } from "../panels/timeline/replay-part.js";
import { Legend } from "../panels/timeline/legend.js";
import { Player } from "../panels/timeline/player.js";
import { Preview } from "../panels/timeline/preview.js";
import { RecordControl } from "../panels/timeline/record.js";
import { around, bucketOf, dayAround, moved, zoomed } from "../panels/timeline/scale.js";
import { Search } from "../panels/timeline/search.js";
import { Streams } from "../panels/timeline/streams.js";
import { Strip, lanesOf } from "../panels/timeline/strip.js";
import { gapInWords, momentInWords } from "../panels/timeline/words.js";
import { whoAmI } from "../wire/session.js";
import { bannerOf } from "./timeline-state.js";

/** @typedef {import("../panels/timeline/scale.js").Span} Span */

const REFRESH_MS = 10_000;
const SEEK_MS = 100;

const query = new URLSearchParams(location.search);
const body = document.body;
const viewer = byId("viewer", SightlineViewer);
const banner = byId("banner", StateBanner);
const player = new Player(viewer);
const contents = new Contents();
const legend = new Legend(byId("legend", HTMLElement));
const filter = new ClassFilter();
const preview = new Preview(byId("preview", HTMLElement));
const objects = new ObjectList(byId("objects", HTMLElement), byId("spoken", HTMLElement), byId("so-far", HTMLElement));
const which = byId("which", HTMLSelectElement);
const length = byId("length", HTMLSelectElement);
const kind = byId("kind", HTMLSelectElement);
const calendar = new Calendar(byId("calendar", HTMLElement), { onmonth: (from, to) => hoursWith(shown(), from, to), onday: goToDay });
const search = new Search(() => ({ stream: which.value, span }), (stream, at) => goTo(stream, at, false));
const recording = new RecordControl(refresh, player);
const streams = new Streams();
const exporting = new ExportButton({ here, seek, nameOf: (stream) => streams.nameOf(stream) });
/** @type {Map<string, Strip>} */
const strips = new Map();
/** What the strips show. @type {Span} */
let span = around(Date.now() / 1000, 3_600, true);
/** Whether it ends now, and goes on with the time. */
let endsNow = true;
/** @type {import("../wire/session.js").Session | null} */
let session = null;
/** Whether it played before somebody dragged; null while nobody does. @type {boolean | null} */
let playedBefore = null;
let soughtAt = 0;

async function run() {
  setUpShell();
  setUpLooks(viewer.painter);
  viewer.painter.filter = (picture) => filter.of(picture);
  viewer.setAttribute("transport", query.get("transport") ?? "auto");
  kind.append(...KINDS.map(([value, name]) => make("option", { value }, name)));
  setUpLengths(length, (seconds) => show(around(player.state === "live" ? Date.now() / 1000 : middle(), seconds, false)));
  listen();
  setUpReplay({ stream: () => player.stream || which.value, span: () => span, at: () => player.at, go: (stream, at) => goTo(stream, at, false), showAgain: (outcome) => contents.showAgain(outcome), painter: viewer.painter });
  session = await whoAmI();
  await refresh();
  begin();
  setInterval(() => void refresh(), REFRESH_MS);
}

function listen() {
  setUpControls({
    toggle: () => (player.state === "live" ? goTo(player.stream, Date.now() / 1000 - 2, false) : player.toggle()),
    step: (frames) => player.step(frames),
    jump: (way) => void jump(way),
    skip: (seconds) => player.stream && goTo(player.stream, player.at + seconds),
    live: () => player.stream && goLive(player.stream),
    speed: (x) => player.setSpeed(x),
    openExport: () => exporting.toggle(),
    mark: (edge) => exporting.mark(edge),
  });
  which.addEventListener("change", () => {
    history.replaceState({}, "", which.value ? `/timeline?stream=${which.value}` : "/timeline");
    build();
    if (which.value && which.value !== player.stream) begin();
  });
  kind.addEventListener("change", () => contents.want(shown(), span, kind.value));
  byId("earlier", HTMLButtonElement).addEventListener("click", () => show(moved(span, -0.5)));
  byId("later", HTMLButtonElement).addEventListener("click", () => show(moved(span, 0.5)));
  legend.onchange = () => {
    filter.hide(new Set(legend.hidden));
    showLegend();
    viewer.painter.repaint();
  };
  contents.onchange = draw;
  player.onchange = update;
  player.onpicture = (meta) => {
    if ((player.playing || player.sought) && playedBefore === null && (meta.at < span.from || meta.at > span.to)) show(around(meta.at + (span.to - span.from) * 0.4, span.to - span.from, false));
    seen(meta);
    cursor(meta.at);
    if (meta.not_inferred) byId("moment", HTMLElement).append(t` · not inferred`);
    setData(body, "at", meta.at.toFixed(3));
  };
  player.ongap = (from, to) => {
    if (playedBefore !== null) return; // who drags sees it in the strip
    const gap = contents.of(player.stream).gaps.find((one) => one.from < to && one.to > from);
    notice(gapInWords({ from, to, reason: gap?.reason ?? "" }));
  };
  viewer.onframe = ({ meta }) => seen(meta);
}

/** @param {import("../wire/messages.js").ViewerFrame} meta */
function seen(meta) {
  objects.show(meta);
  setData(byId("stage", HTMLElement), "showing", "canvas");
  setData(body, "frame", String(meta.frameNumber));
  if (legend.learn(meta)) draw();
}

/** Ask what is recorded of which streams. */
async function refresh() {
  await streams.ask();
  const names = [...new Set([...streams.recorded, ...streams.now])].sort();
  const asked = query.get("stream");
  if (asked && !names.includes(asked)) names.push(asked);
  if (names.join() !== [...which.options].slice(1).map((one) => one.value).join()) {
    const chosen = which.options.length > 1 ? which.value : (asked ?? "");
    which.replaceChildren(make("option", { value: "" }, t`All streams`), ...names.map((value) => make("option", { value }, streams.nameOf(value))));
    which.value = chosen;
    build();
  }
  if (endsNow) span = around(Date.now() / 1000, span.to - span.from, true);
  if (player.state === "live") player.at = Date.now() / 1000;
  contents.want(shown(), span, kind.value);
  update();
}

const shown = () => (which.value ? [which.value] : streams.recorded);
const middle = () => (player.at >= span.from && player.at <= span.to ? player.at : (span.from + span.to) / 2);

/** Show the first picture: what the address asks for, or the end of what is recorded. */
function begin() {
  const at = Number(query.get("at"));
  const stream = which.value || shown().find((name) => streams.of(name)?.last_at) || "";
  const last = streams.of(stream)?.last_at;
  query.delete("at");
  shorten(length, Date.now() / 1000 - Math.min(...shown().map((name) => streams.of(name)?.first_at ?? Infinity)));
  show(around(at || Date.now() / 1000, Number(length.value), !at), !at);
  if (at && stream) goTo(stream, at, false);
  else if (stream && last) goTo(stream, last - 5, false);
  else if (stream && streams.isLive(stream)) goLive(stream);
  update();
}

function build() {
  calendar.ask();
  strips.clear();
  for (const stream of shown()) {
    const events = { onpick: pick, onhover: hover, onzoom: (/** @type {number} */ times, /** @type {number} */ at) => show(zoomed(span, times, at)) };
    strips.set(stream, new Strip(stream, streams.nameOf(stream), events, (name) => legend.colorOf(name)));
  }
  byId("strips", HTMLElement).replaceChildren(...[...strips.values()].map((one) => one.element));
  setData(byId("deck", HTMLElement), "many", String(strips.size > 1));
  contents.want(shown(), span, kind.value);
  draw();
}

/** Show other times. @param {Span} next @param {boolean} now whether they go on with the time */
function show(next, now = false) {
  const latest = Date.now() / 1000;
  endsNow = now || next.to >= latest;
  span = endsNow ? around(latest, next.to - next.from, true) : next;
  contents.want(shown(), span, kind.value);
  draw();
}

function draw() {
  for (const [stream, strip] of strips) strip.show(span, contents.of(stream));
  drawAxis(byId("axis", HTMLElement), span);
  exporting.update();
  showLegend();
  cursor(player.at);
}

function showLegend() {
  const often = shown().flatMap((stream) => lanesOf(contents.of(stream).marks));
  legend.show([...often, ...legend.known]);
  search.suggest([...often, ...legend.known]);
}

/** @param {number} at */
function cursor(at) {
  for (const [stream, strip] of strips) {
    strip.move(at);
    strip.choose(stream === player.stream);
  }
  setText(byId("moment", HTMLElement), player.state === "live" ? t`Now` : Number.isFinite(at) ? momentInWords(at, true) : "–");
}

/** @type {import("../panels/timeline/strip.js").Events["onpick"]} */
function pick(stream, at, done) {
  playedBefore ??= player.state === "none" || player.playing;
  const now = performance.now();
  if (done) {
    const playing = playedBefore;
    playedBefore = null;
    const last = span.to - (span.to - span.from) / 250;
    if (endsNow && at > last && streams.isLive(stream)) goLive(stream);
    else goTo(stream, at, playing);
  } else if (now - soughtAt > SEEK_MS) {
    soughtAt = now;
    seek(stream, at);
  }
}

/** What the page shows, for who exports. @returns {import("../panels/timeline/export.js").Here} */
function here() {
  const stream = player.stream || which.value;
  return { stream, at: player.at, strip: strips.get(stream), span, hidden: [...legend.hidden], ...viewer.painter.options };
}

/** Show a moment that may not last. @param {string} stream @param {number} at */
function seek(stream, at) {
  player.go(stream, at, false);
  cursor(at);
}

/** @type {import("../panels/timeline/strip.js").Events["onhover"]} */
function hover(stream, at, x, top) {
  const strip = strips.get(stream);
  if (at === null || !strip) return preview.hide();
  preview.show(stream, at, bucketOf(span) / 10, strip.wordsAt(at), strip.isRecorded(at));
  preview.put(x, top);
}

/** @param {string} stream @param {number} at @param {boolean} [playing] as before where it is not said */
function goTo(stream, at, playing) {
  if (at < span.from || at > span.to) show(around(at, span.to - span.from, false));
  player.go(stream, at, playing);
  cursor(at);
  calendar.choose(at);
  history.replaceState({}, "", `/timeline?${new URLSearchParams({ ...(which.value && { stream: which.value }), at: at.toFixed(1) })}`);
}

/** @param {string} stream */
function goLive(stream) {
  show(around(Date.now() / 1000, span.to - span.from, true), true);
  player.goLive(stream);
  cursor(player.at);
}

/** @param {Span} day */
function goToDay(day) {
  const today = dayAround(Date.now() / 1000).from === day.from;
  length.value = `${24 * 3_600}`;
  show(today ? around(Date.now() / 1000, day.to - day.from, true) : day, today);
}

/** @param {1 | -1} way */
async function jump(way) {
  const from = player.state === "live" ? Date.now() / 1000 : Number.isFinite(player.at) ? player.at : middle();
  const [stream, { moves }] = [which.value, player];
  const one = await eventBeside(stream, kind.value, from + (way > 0 ? LEAD_S : 0), way);
  if (stream !== which.value || moves !== player.moves) return; // the person has gone elsewhere
  if (one) goTo(one.stream, one.started_at - LEAD_S);
  else if (one === undefined) notice(t`The server does not answer.`);
  else notice(way > 0 ? t`No later event.` : t`No earlier event.`);
}

function update() {
  if (player.state === "end" && streams.isLive(player.stream)) return goLive(player.stream);
  showState(player, streams.isLive(player.stream));
  const stream = player.stream || which.value;
  recording.show(stream, streams.of(stream), session);
  exporting.allow(session, stream);
  byId("try-again", HTMLElement).hidden = !recording.allowed;
  const nothing = streams.overview !== null && !(stream ? [stream] : streams.recorded).some((name) => streams.of(name)?.last_at);
  const { state, retryAt, refused: refusal } = player;
  const { refused } = streams;
  const known = { nothing: nothing || state === "empty", stopped: streams.overview?.stopped ?? "", streams: streams.now };
  const situation = { refused, refusal, state, retryAt, stream, canRecord: recording.allowed, ...known };
  const retry = () => (refused ? void refresh() : player.retryNow());
  banner.say(bannerOf(situation, { retry, record: () => void recording.press() }));
  setData(byId("stage", HTMLElement), "showing", player.state === "none" || player.state === "empty" ? "nothing" : "canvas");
}

void run();
