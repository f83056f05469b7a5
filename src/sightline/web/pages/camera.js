/** The camera page: opens a camera, sends its pictures, shows each with what the model said of it. */

import { Capture } from "../capture/capture.js";
import * as devices from "../capture/devices.js";
import { Painter } from "../draw/painter.js";
import { StateBanner } from "../elements/state-banner.js";
import { only } from "../infer/words.js";
import { wallClock } from "../lib/clock.js";
import { make, setData, setText } from "../lib/dom.js";
import { Average, Rate, count, fps, millis } from "../lib/format.js";
import { remember, remembered } from "../lib/storage.js";
import { freeName, streamOf } from "../lib/stream-name.js";
import { lost } from "../panels/cards.js";
import { setUpLooks } from "../panels/looks.js";
import { setUpModel } from "../panels/model-panel.js";
import { Figures, byId } from "../panels/page.js";
import { Phone } from "../panels/phone.js";
import { setUpRun } from "../panels/run-panel.js";
import { setUpLink } from "../panels/share.js";
import { setUpShell } from "../panels/shell.js";
import { showTransport } from "../panels/transport.js";
import { askedInWords, reasonInWords } from "../panels/words.js";
import { CameraLink } from "../webrtc/camera.js";
import { summary } from "../wire/findings.js";
import { Publisher } from "../wire/publisher.js";
import { cameraWords } from "./camera-state.js";
import { ModelPlace } from "./model-place.js";

const TICK_MS = 250;
const LIVE_VIDEO_AFTER_MS = 1_000;
const LOWEST_QUALITY = 0.3;

const stream = streamOf(location.pathname);
const body = document.body;
const stage = byId("stage", HTMLElement);
const video = byId("video", HTMLVideoElement);
const banner = byId("banner", StateBanner);
const startButton = byId("start", HTMLButtonElement);
const stopButton = byId("stop", HTMLButtonElement);
const deviceSelect = byId("device", HTMLSelectElement);
const presetSelect = byId("preset", HTMLSelectElement);
const figures = new Figures(document);
const painter = new Painter(byId("canvas", HTMLCanvasElement));
const run = setUpRun("camera", stream);
const rate = new Rate();
const latency = new Average();
const inference = new Average();

/** @type {import("./camera-state.js").Situation} */
const now = {
  wanted: false,
  problem: devices.isInsecure() ? devices.insecureProblem(location) : null,
  opening: false,
  paused: false,
  muted: false,
  phase: "closed",
  retryAt: 0,
  refused: null,
  hadServer: false,
  model: { state: "", message: "" },
  unanswered: 0,
  hadResult: false,
};
/** @type {MediaStreamTrack | null} */
let track = null;
let lastResultAt = 0;
/** What the server asks for; before it has, what the preset begins with. @type {import("../wire/messages.js").Knobs} */
let asked = { preset: "", fps: 30, quality: 0.5, width: 640 };
let highestQuality = 1;
let opened = 0;
let otherName = "";
/** @type {Map<string, number>} */
let serverDrops = new Map();

const publisher = new Publisher(stream, {
  onphase(phase, retryAt) {
    now.phase = phase;
    now.retryAt = retryAt;
    now.refused = publisher.refused;
    if (phase !== "open") {
      capture.close();
      figures.show({ viewers: "–" });
    }
    if (now.refused?.code === "stream_busy" && !otherName) void findOtherName();
    update();
  },
  onhello(hello) {
    now.hadServer = true;
    lastResultAt = performance.now();
    showAsked(hello, "");
    place.begin();
    openGate();
    const chosen = remembered("preset", hello.preset);
    if (chosen !== hello.preset) void choosePreset(chosen);
  },
  onadapt(adapt) {
    const another = adapt.preset !== asked.preset;
    showAsked(adapt, adapt.reason);
    if (another) openGate(); // more or fewer may be under way
    else limit();
    if (another && track && adapt.width > (track.getSettings().width ?? Infinity)) void start();
  },
  onstatus(state, message) {
    now.model = { state, message };
    update();
  },
  onanswer: () => capture.grant(),
  onresult: show,
  ontoolarge() {
    highestQuality = Math.max(LOWEST_QUALITY, Math.min(highestQuality, asked.quality) - 0.1);
    limit();
  },
}, (handlers) => new CameraLink(stream, { ...handlers, ontransport: showTransport }, () => ({ track, video })));
const capture = new Capture({
  onframe: (frame) => publisher.send(frame),
  onskip: () => (publisher.counts.skipped += 1),
});
const place = new ModelPlace(stream, {
  maySend: () => publisher.mayInferred,
  onfound: showFound,
  onskip: () => (publisher.counts.skipped += 1),
  onmove: openGate,
});

const phone = new Phone((other) => {
  if (other.kind === "device") {
    deviceSelect.value = other.id;
    remember("device", other.id);
  }
  void start(other.kind === "facing" ? other.facing : "");
});

// Starting and stopping

/** @param {string} facing user or environment, instead of the camera that is chosen */
async function start(facing = "") {
  if (devices.isInsecure()) return;
  if (!now.wanted) {
    publisher.clearCounts();
    run.clear();
  }
  release();
  opened += 1;
  const mine = opened;
  Object.assign(now, { wanted: true, problem: null, opening: true, muted: false });
  update();
  try {
    const media = await devices.openCamera(deviceSelect.value, presetWidth(), facing);
    if (mine !== opened) media.getTracks().forEach((t) => t.stop());
    else attach(media);
  } catch (error) {
    if (mine !== opened) return;
    now.problem = devices.cameraProblem(error);
    publisher.stop();
  }
  if (mine === opened) now.opening = false;
  await fillDevices();
  update();
}

function stop() {
  opened += 1;
  Object.assign(now, { wanted: false, problem: null, opening: false, hadServer: false, hadResult: false });
  publisher.stop();
  place.end();
  release();
  painter.clear();
  for (const mean of [rate, latency, inference]) mean.clear();
  update();
}

/** @param {MediaStream} media */
function attach(media) {
  track = media.getVideoTracks()[0] ?? null;
  if (!track) return;
  track.onended = () => {
    release();
    publisher.stop();
    now.problem = devices.UNPLUGGED;
    void fillDevices();
    update();
  };
  track.onmute = track.onunmute = () => {
    now.muted = track?.muted ?? false;
    update();
  };
  video.srcObject = media;
  video.play().catch(() => {}); // plays as soon as the page may
  phone.follow(track);
  goOn();
}

/** Let go of the camera. */
function release() {
  place.pause();
  capture.stop();
  if (track) {
    track.onended = track.onmute = track.onunmute = null;
    track.stop();
  }
  track = null;
  video.srcObject = null;
  phone.follow(null);
  void phone.stayAwake(false);
}

/** Capture and send, unless nobody looks at this page. */
function goOn() {
  now.paused = document.hidden;
  if (!track || now.paused) return;
  track.enabled = true;
  void phone.stayAwake(true);
  lastResultAt = performance.now();
  if (!capture.way) capture.start(video, track);
  openGate();
  publisher.start();
}

function pause() {
  now.paused = true;
  capture.close();
  place.pause();
  publisher.stop();
  if (track) track.enabled = false;
}

/** Let pictures go to where the model runs. */
function openGate() {
  place.limit(pace(), limits());
  if (place.inBrowser) {
    publisher.useSocket("The model runs in this browser");
    capture.close();
    if (track && !now.paused) place.watch(video);
    return;
  }
  place.pause();
  publisher.useAny();
  if (publisher.video) capture.close();
  else if (publisher.hello) capture.reset(publisher.free, pace(), limits());
}

function limit() {
  capture.limit(pace(), limits());
  place.limit(pace(), limits());
}

function limits() {
  const maxPixels = publisher.hello?.max_pixels ?? Infinity;
  return { maxSide: asked.width, maxPixels, quality: Math.min(asked.quality, highestQuality) };
}

function pace() {
  return Math.min(asked.fps, publisher.hello?.max_fps ?? Infinity);
}

/** What the camera is opened for: what the server asks for later is at most that. */
function presetWidth() {
  return Number(presetSelect.selectedOptions[0]?.dataset["width"] ?? 640);
}

/** @param {string} preset */
async function choosePreset(preset) {
  const headers = { "Content-Type": "application/json" };
  const request = { method: "PATCH", headers, body: JSON.stringify({ preset }) };
  const answer = await fetch(`/api/streams/${stream}`, request).catch(() => null);
  if (answer?.status === 422) remember("preset", asked.preset); // of a newer or older server
  if (!answer?.ok) presetSelect.value = asked.preset;
}

// What the person sees

/** @param {import("../wire/messages.js").Knobs} knobs @param {string} reason */
function showAsked(knobs, reason) {
  asked = { preset: knobs.preset, fps: knobs.fps, quality: knobs.quality, width: knobs.width };
  presetSelect.value = asked.preset;
  setText(byId("asked", HTMLElement), askedInWords(asked, reason));
  setData(body, "asked", JSON.stringify(asked));
}

/** @type {import("../wire/publisher.js").Events["onresult"]} */
function show(picture, result, timestamp) {
  const at = performance.now();
  knowModel(result.model);
  painter.show(picture);
  lastResultAt = at;
  now.hadResult = true;
  now.model = { state: "ready", message: "" };
  rate.tick(at);
  const took = wallClock() - timestamp;
  latency.add(took, at);
  const mode = result.browser ? "browser" : "server";
  place.shown(mode, took);
  const transport = body.dataset["transport"] ?? "websocket";
  run.add({ at, latency: took, stages: result.stages, transport, mode, device: result.browser ?? "", model: result.model });
  inference.add(result.stages["infer"] ?? result.processing_time_ms, at);
  setData(body, "frame", String(result.frameNumber));
  setData(body, "detections", String(result.detections.length));
  setData(body, "summary", summary(result).map((s) => `${s.count} ${s.name}`).join(", "));
  figures.show({ model: result.model });
  setData(body, "place", mode);
  setData(body, "device", result.browser ?? "");
  if (body.dataset["state"] !== "live") update();
}

/**
 * What this browser found itself: the server gets all, the person sees what is asked for.
 *
 * @param {import("../infer/inference.js").Inferred} found @param {import("./model-place.js").PortableModel} portable
 */
function showFound(found, portable) {
  const { bitmap, width, height, timestamp, processing_time_ms, stages } = found;
  const model = portable.name;
  const frameNumber = place.device ? publisher.sendInferred(found, model, place.device) : 0;
  const { findings, mask } = only(found.findings, found.mask, portable.shown);
  /** @type {import("../wire/messages.js").ResultMessage} */
  const result = {
    ...findings,
    ...{ type: "result", stream, frameNumber, timestamp, width, height, model, processing_time_ms, stages },
    browser: place.deviceName,
  };
  show({ image: bitmap, width, height, findings: result, mask }, result, timestamp);
}

function update() {
  now.unanswered = performance.now() - lastResultAt;
  const words = cameraWords(now);
  setData(body, "state", words.state);
  setText(byId("pill", HTMLElement), words.pill);
  setData(byId("pill", HTMLElement), "kind", words.kind);
  const actions = words.actions.map((name) => ACTIONS[name]()).filter((action) => action.text);
  banner.say(words.banner && { ...words.banner, actions: [...(words.banner.actions ?? []), ...actions] });
  // A slow model answers seldom: its boxes may stay three of its rounds before the live video takes over.
  const patience = Math.max(LIVE_VIDEO_AFTER_MS, 3 * (latency.value || 0));
  const withBoxes = now.hadResult && (now.unanswered < patience || !track);
  setData(stage, "showing", withBoxes ? "canvas" : track ? "video" : "nothing");
  setData(stage, "stale", String(words.state === "paused"));
  setData(stage, "notice", words.small ? "small" : "full");
  showButton(now.wanted && !now.problem);
}

/** Start or stop; who had the focus on one has it on the other. @param {boolean} running */
function showButton(running) {
  const [shown, other] = running ? [stopButton, startButton] : [startButton, stopButton];
  startButton.disabled = now.problem?.kind === "insecure";
  if (!shown.hidden) return;
  const focus = document.activeElement === other;
  shown.hidden = false;
  other.hidden = true;
  if (focus) shown.focus();
}

/** @type {Record<import("./camera-state.js").ActionName, () => import("../elements/state-banner.js").Action>} */
const ACTIONS = {
  start: () => ({ text: "Try again", id: "try-again", main: true, run: () => void start() }),
  retry: () => ({ text: "Try now", id: "retry", run: () => publisher.retryNow() }),
  rename: () => ({ text: otherName && `Use “${otherName}” instead`, main: true, href: `/camera/${otherName}#start` }),
};

async function findOtherName() {
  try {
    const { streams } = await (await fetch("/api/streams")).json();
    otherName = freeName([stream, ...streams.map((/** @type {{name: string}} */ s) => s.name)], stream);
  } catch {
    otherName = freeName([stream], stream);
  }
  update();
}

function tick() {
  const { sent, answered, skipped, dropped } = publisher.counts;
  const live = body.dataset["state"] === "live";
  const total = [...dropped.values()].reduce((sum, n) => sum + n, 0);
  figures.show({
    fps: fps(live ? rate.perSecond() : NaN),
    latency: millis(live ? latency.value : NaN),
    inference: millis(live ? inference.value : NaN),
    sent: count(sent),
    answered: count(answered),
    skipped: count(skipped),
    dropped: count(total),
    "dropped-count": count(total),
  });
  setData(body, "fps", live ? rate.perSecond().toFixed(1) : "");
  setData(body, "latency", live ? latency.value.toFixed(1) : "");
  setData(body, "sent", String(sent));
  setData(body, "answered", String(answered));
  setData(body, "dropped", String(total));
  setData(body, "way", capture.way);
  run.drops([...dropped, ["skipped here", skipped]], performance.now());
  if (serverDrops.size !== dropped.size || total !== [...serverDrops.values()].reduce((sum, n) => sum + n, 0)) {
    serverDrops = new Map(dropped);
    const lines = [...dropped].map(([reason, n]) => make("li", {}, `${count(n)} × ${reasonInWords(reason)}`));
    byId("reasons", HTMLElement).replaceChildren(...lines);
  }
  update();
}

async function fillDevices() {
  const cameras = await devices.listCameras().catch(() => []);
  phone.know(cameras);
  const current = track?.getSettings().deviceId ?? (deviceSelect.value || remembered("device", ""));
  const options = cameras.map(({ id, label }) => make("option", { value: id }, label));
  if (!options.length) options.push(make("option", { value: "" }, "Any camera"));
  deviceSelect.replaceChildren(...options);
  if (cameras.some((c) => c.id === current)) deviceSelect.value = current;
}

// Wiring

setUpShell();
setUpLink(stream);
setUpLooks(painter);
setText(byId("stream", HTMLElement), stream);
document.title = `${stream} · Camera · Sightline`;
presetSelect.value = remembered("preset", "default");
if (!presetSelect.value) presetSelect.value = "default";
startButton.addEventListener("click", () => void start());
stopButton.addEventListener("click", stop);
deviceSelect.addEventListener("change", () => {
  remember("device", deviceSelect.value);
  if (now.wanted) void start();
});
presetSelect.addEventListener("change", () => {
  remember("preset", presetSelect.value);
  if (publisher.hello) void choosePreset(presetSelect.value);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) pause();
  else if (now.wanted && (!track || track.readyState === "ended") && !now.opening) void start();
  else goOn();
  update();
});
addEventListener("offline", () => publisher.lost());
addEventListener("online", () => publisher.retryNow());
devices.whenNetworkChanges(() => publisher.lost());
navigator.mediaDevices?.addEventListener("devicechange", () => {
  if (now.wanted && now.problem) void start();
  else void fillDevices();
});
void devices.whenAllowed(() => {
  if (now.wanted && now.problem) void start();
});
const knowModel = setUpModel(stream, painter, () => now.phase === "open", (stats) => {
  figures.show({ viewers: count(stats.viewers), model: stats.model || "–" });
  run.served(stats.settings.engine, stats.settings.device);
  setData(body, "lost", JSON.stringify(Object.fromEntries(lost(stats))));
});
setInterval(tick, TICK_MS);
tick();
void fillDevices();
if (location.hash === "#start") {
  history.replaceState(null, "", location.pathname + location.search);
  void start();
}
