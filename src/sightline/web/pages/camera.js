/** The camera page. It shows a camera that publishes, each picture with the model's findings. */

import * as devices from "../capture/devices.js";
import { Painter } from "../draw/painter.js";
import { StateBanner } from "../elements/state-banner.js";
import { make, setData, setText } from "../lib/dom.js";
import { count, fps, millis } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { LiveFigures } from "../lib/live-figures.js";
import { keepInTab, keptOverReload, remember, remembered } from "../lib/storage.js";
import { freeName, streamOf } from "../lib/stream-name.js";
import { setUpLooks } from "../panels/looks.js";
import { setUpModel } from "../panels/model-panel.js";
import { notice, showTransport } from "../panels/notice.js";
import { Figures, byId, showName } from "../panels/page.js";
import { Phone } from "../panels/phone.js";
import { setUpRun } from "../panels/run-panel.js";
import { setUpLink } from "../panels/share.js";
import { setUpShell } from "../panels/shell.js";
import { askedInWords, reasonInWords } from "../panels/words.js";
import { setUpZones } from "../panels/zones/section.js";
import { summary } from "../wire/findings.js";
import { may, whoAmI } from "../wire/session.js";
import { lost } from "../wire/stream-stats.js";
import { CameraSession } from "./camera-session.js";
import { cameraWords } from "./camera-state.js";

const TICK_MS = 250;
const LIVE_VIDEO_AFTER_MS = 1_000;

const stream = streamOf(location.pathname);
const body = document.body;
const stage = byId("stage", HTMLElement);
const banner = byId("banner", StateBanner);
const startButton = byId("start", HTMLButtonElement);
const stopButton = byId("stop", HTMLButtonElement);
const deviceSelect = byId("device", HTMLSelectElement);
const presetSelect = byId("preset", HTMLSelectElement);
const placeSelect = byId("place", HTMLSelectElement);
const pauseHidden = byId("pause-hidden", HTMLInputElement);
const figures = new Figures(document);
const painter = new Painter(byId("canvas", HTMLCanvasElement));
const run = setUpRun("camera", stream);
const zones = setUpZones(stream, painter);
const live = new LiveFigures();
/** Kept over a reload: the camera was on. */
const ON = `on.${stream}`;
let otherName = "";
/** @type {Map<string, number>} */
let serverDrops = new Map();

const session = new CameraSession(stream, byId("video", HTMLVideoElement), {
  // The camera is opened as wide as the preset; the server never asks for more later.
  choice: () => ({
    device: deviceSelect.value,
    width: Number(presetSelect.selectedOptions[0]?.dataset["width"] ?? 640),
  }),
  pauses: () => pauseHidden.checked || devices.isPhone(),
  onbegin: () => run.clear(),
  onchange: update,
  ontrack: (track) => phone.follow(track),
  onawake: (on) => void phone.stayAwake(on),
  onopened: fillDevices,
  onhello(hello) {
    zones.connected();
    const chosen = remembered("preset", hello.preset);
    if (chosen !== hello.preset) void choosePreset(chosen);
  },
  onasked: showAsked,
  onbusy() {
    if (!otherName) void findOtherName();
  },
  onresult: show,
  ontransport: showTransport,
  place: {
    onsay: (text) => setText(byId("place-why", HTMLElement), text),
    onnotice: notice,
    onruntime(there) {
      for (const option of placeSelect.options) option.disabled = option.value !== "server" && !there;
    },
  },
});
const { publisher } = session;

const phone = new Phone((other) => {
  if (other.kind === "device") {
    deviceSelect.value = other.id;
    remember("device", other.id);
  }
  void session.start(other.kind === "facing" ? other.facing : "");
});

async function start() {
  keepInTab(ON, "on");
  await rights;
  await session.start();
}

function stop() {
  keepInTab(ON, "");
  session.stop();
  painter.clear();
  live.clear();
}

/** @param {string} preset */
async function choosePreset(preset) {
  const headers = { "Content-Type": "application/json" };
  const request = { method: "PATCH", headers, body: JSON.stringify({ preset }) };
  const answer = await fetch(`/api/streams/${stream}`, request).catch(() => null);
  if (answer?.status === 422) remember("preset", session.asked.preset); // a preset of a newer or older server
  if (!answer?.ok) presetSelect.value = session.asked.preset;
}

// View

/** @param {import("../wire/messages.js").Knobs} asked @param {string} reason */
function showAsked(asked, reason) {
  presetSelect.value = asked.preset;
  setText(byId("asked", HTMLElement), askedInWords(asked, reason));
  setData(body, "asked", JSON.stringify(asked));
}

/** @type {import("./camera-session.js").Events["onresult"]} */
function show(picture, result, { at, latency, mode }) {
  knowModel(result.model);
  if (document.hidden) picture.image.close();
  else painter.show(picture);
  live.shown(at, latency);
  live.inferred(result.stages["infer"] ?? result.processing_time_ms, at);
  const transport = body.dataset["transport"] ?? "websocket";
  run.add({ at, latency, stages: result.stages, transport, mode, device: result.browser ?? "", model: result.model });
  setData(body, "frame", String(result.frameNumber));
  setData(body, "detections", String(result.detections.length));
  setData(body, "summary", summary(result).map((s) => `${s.count} ${s.name}`).join(", "));
  figures.show({ model: result.model });
  setData(body, "place", mode);
  setData(body, "device", result.browser ?? "");
  if (body.dataset["state"] !== "live") update();
}

function update() {
  const now = session.situation;
  const words = cameraWords(now, stream);
  setData(body, "state", words.state);
  setText(byId("pill", HTMLElement), words.pill);
  setData(byId("pill", HTMLElement), "kind", words.kind);
  if (now.phase !== "open") figures.gone();
  const actions = words.actions.map((name) => ACTIONS[name]()).filter((action) => action.text);
  banner.say(words.banner && { ...words.banner, actions: [...(words.banner.actions ?? []), ...actions] });
  // A slow model answers seldom. Its boxes may stay for three rounds before the live video takes over.
  const patience = Math.max(LIVE_VIDEO_AFTER_MS, 3 * (live.latency || 0));
  const withBoxes = now.hadResult && (now.unanswered < patience || !session.track);
  setData(stage, "showing", withBoxes ? "canvas" : session.track ? "video" : "nothing");
  setData(stage, "stale", String(words.state === "paused"));
  setData(stage, "notice", words.small ? "small" : "full");
  startButton.disabled = now.problem?.kind === "insecure";
  byId("panel", HTMLElement).hidden = now.barred !== ""; // nothing in it is of use
  showButton(now.wanted && !now.problem);
}

/** Show the start or the stop button. The focus moves along. @param {boolean} running */
function showButton(running) {
  const [shown, other] = running ? [stopButton, startButton] : [startButton, stopButton];
  if (!shown.hidden) return;
  const focus = document.activeElement === other;
  [shown.hidden, other.hidden] = [false, true];
  if (focus) shown.focus();
}

/** @type {Record<import("./camera-state.js").ActionName, () => import("../elements/state-banner.js").Action>} */
const ACTIONS = {
  start: () => ({ text: t`Try again`, id: "try-again", main: true, run: () => void session.start() }),
  retry: () => ({ text: t`Try now`, id: "retry", run: () => publisher.retryNow() }),
  rename: () => ({ text: otherName && t`Use “${otherName}” instead`, main: true, href: `/camera/${otherName}#start` }),
};

async function findOtherName() {
  otherName = freeName([stream, ...(await listStreams()).map((s) => s.name)], stream);
  update();
}

/** @returns {Promise<import("../wire/stream-stats.js").StreamStats[]>} none where the server does not say */
async function listStreams() {
  const answer = await fetch("/api/streams", { cache: "no-store" }).catch(() => null);
  return answer?.ok ? (await answer.json()).streams : [];
}

/** Find out whether this page may be the stream's camera, before anybody is asked for one. */
async function askRights() {
  const me = await whoAmI();
  if (!may(me, "publish", stream)) session.bar(me?.role ? "forbidden" : "unauthorized");
  else if ((await listStreams()).some(({ name, pulled }) => name === stream && pulled)) session.bar("pulled");
}

function tick() {
  const { sent, answered, skipped, dropped } = publisher.counts;
  const on = body.dataset["state"] === "live";
  const total = sum(dropped);
  figures.show({
    fps: fps(on ? live.fps : NaN),
    latency: millis(on ? live.latency : NaN),
    inference: millis(on ? live.inference : NaN),
    sent: count(sent),
    answered: count(answered),
    skipped: count(skipped),
    dropped: count(total),
    "dropped-count": count(total),
  });
  setData(body, "fps", on ? live.fps.toFixed(1) : "");
  setData(body, "latency", on ? live.latency.toFixed(1) : "");
  setData(body, "sent", String(sent));
  setData(body, "answered", String(answered));
  setData(body, "dropped", String(total));
  setData(body, "way", session.capture.way);
  run.drops([...dropped, [t`skipped here`, skipped]], performance.now());
  if (serverDrops.size !== dropped.size || total !== sum(serverDrops)) {
    serverDrops = new Map(dropped);
    const lines = [...dropped].map(([reason, n]) => make("li", {}, `${count(n)} × ${reasonInWords(reason)}`));
    byId("reasons", HTMLElement).replaceChildren(...lines);
  }
  update();
}

/** @param {Map<string, number>} counts */
function sum(counts) {
  return [...counts.values()].reduce((total, n) => total + n, 0);
}

async function fillDevices() {
  const cameras = await devices.listCameras().catch(() => []);
  phone.know(cameras);
  const current = session.track?.getSettings().deviceId ?? (deviceSelect.value || remembered("device", ""));
  const options = cameras.map(({ id, label }) => make("option", { value: id }, label));
  if (!options.length) options.push(make("option", { value: "" }, t`Any camera`));
  deviceSelect.replaceChildren(...options);
  if (cameras.some((c) => c.id === current)) deviceSelect.value = current;
}

// Wiring

setUpShell();
setUpLink(stream);
setUpLooks(painter);
showName(stream, t`Camera`);
presetSelect.value = remembered("preset", "default");
if (!presetSelect.value) presetSelect.value = "default";
placeSelect.value = remembered("place", "server");
if (!placeSelect.value) placeSelect.value = "server";
wantPlace();
pauseHidden.checked = remembered("pause-hidden", "false") === "true";
byId("pause-row", HTMLElement).hidden = devices.isPhone(); // they can't do otherwise
pauseHidden.addEventListener("change", () => remember("pause-hidden", String(pauseHidden.checked)));
startButton.addEventListener("click", () => void start());
stopButton.addEventListener("click", stop);
deviceSelect.addEventListener("change", () => {
  remember("device", deviceSelect.value);
  session.restart();
});
presetSelect.addEventListener("change", () => {
  remember("preset", presetSelect.value);
  if (publisher.hello) void choosePreset(presetSelect.value);
});
placeSelect.addEventListener("change", () => {
  remember("place", placeSelect.value);
  wantPlace();
});
document.addEventListener("visibilitychange", () => session.seen());
addEventListener("pagehide", () => {
  publisher.background(false); // it is not in the background, but gone
  publisher.stop();
});
addEventListener("pageshow", (event) => event.persisted && session.seen());
addEventListener("offline", () => publisher.lost());
addEventListener("online", () => publisher.retryNow());
devices.whenNetworkChanges(() => publisher.lost());
navigator.mediaDevices?.addEventListener("devicechange", () => {
  if (!session.recover()) void fillDevices();
});
void devices.whenAllowed(() => void session.recover());
const knowModel = setUpModel(stream, painter, () => publisher.phase === "open", (stats) => {
  showName(stats.display_name, t`Camera`, stats.recording);
  figures.show({ viewers: count(stats.viewers), model: stats.model || "–" });
  zones.learn(stats);
  run.served(stats.settings.engine, stats.settings.device);
  setData(body, "lost", JSON.stringify(Object.fromEntries(lost(stats))));
});
setInterval(tick, TICK_MS);
tick();
void fillDevices();
const rights = askRights();
if (location.hash === "#start" || keptOverReload(ON)) {
  history.replaceState(null, "", location.pathname + location.search);
  void start();
}

function wantPlace() {
  session.place.want(/** @type {import("../infer/choice.js").Wanted} */ (placeSelect.value));
}
