/** The viewer's page: shows a stream's pictures, each with what the model said of it, and tells the server how it fares. */

import { Painter } from "../draw/painter.js";
import { StateBanner } from "../elements/state-banner.js";
import { wallClock } from "../lib/clock.js";
import { setData, setText } from "../lib/dom.js";
import { Average, Rate, count, fps, millis } from "../lib/format.js";
import { streamOf } from "../lib/stream-name.js";
import { lost } from "../panels/cards.js";
import { setUpLooks } from "../panels/looks.js";
import { setUpModel } from "../panels/model-panel.js";
import { ObjectList } from "../panels/objects.js";
import { Figures, byId } from "../panels/page.js";
import { setUpRun } from "../panels/run-panel.js";
import { setUpLink } from "../panels/share.js";
import { setUpShell } from "../panels/shell.js";
import { showTransport } from "../panels/transport.js";
import { ViewLink } from "../webrtc/viewer.js";
import { Receiver } from "../wire/receiver.js";
import { viewWords } from "./view-state.js";

const TICK_MS = 250;
const STATS_MS = 2_000;
const CLOSE_WHEN_HIDDEN_MS = 10_000;

const stream = streamOf(location.pathname);
const body = document.body;
const stage = byId("stage", HTMLElement);
const banner = byId("banner", StateBanner);
const figures = new Figures(document);
const painter = new Painter(byId("canvas", HTMLCanvasElement));
const objects = new ObjectList(byId("objects", HTMLElement), byId("spoken", HTMLElement));
const run = setUpRun("view", stream);
const rate = new Rate();
const latency = new Average();
const inference = new Average();

/** @type {import("./view-state.js").Situation} */
const now = {
  phase: "closed",
  retryAt: 0,
  refused: null,
  camera: "unknown",
  model: { state: "", message: "" },
  paused: false,
  hadPicture: false,
  hadServer: false,
  quiet: 0,
};
let lastPictureAt = performance.now();
let shown = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let hiddenTimer;

const socket = new ViewLink(stream, {
  onphase(phase, retryAt) {
    now.phase = phase;
    now.retryAt = retryAt;
    now.refused = socket.refused;
    if (phase !== "open") {
      receiver.reset();
      now.camera = "unknown";
      clearNumbers();
      figures.show({ viewers: "–" });
    }
    update();
  },
  onmessage(message) {
    if (message.type === "frame_metadata") {
      cameraIs("live");
      receiver.announce(message);
    } else if (message.type === "still") {
      cameraIs("live");
      stillThere(message);
    } else if (message.type === "status") {
      socket.healthy();
      now.hadServer = true;
      const { state } = message;
      if (state === "waiting" || state === "live" || state === "ended") cameraIs(state);
      else now.model = { state, message: message.message };
      update();
    }
  },
  onbinary: (data) => receiver.receive(data),
  onpicture: showPicture,
  ontransport: showTransport,
}, stage);

const receiver = new Receiver({
  onpicture: showPicture,
  onbroken: (meta) => socket.send({ type: "ack", frameNumber: meta.frameNumber }),
});

/** @type {import("../webrtc/viewer.js").Show} */
function showPicture(meta, picture) {
  const at = performance.now();
  knowModel(meta.model);
  painter.show(picture);
  socket.send({ type: "ack", frameNumber: meta.frameNumber });
  if (now.camera !== "live") return; // its last picture, drawn after it left
  now.hadPicture = true;
  shown += 1;
  upToDate(meta, at);
  record(meta, at);
  inference.add(meta.stages["infer"] ?? meta.processing_time_ms, at);
  objects.show(meta);
  figures.show({ model: modelInWords(meta), size: `${meta.width} × ${meta.height}` });
  setData(body, "frame", String(meta.frameNumber));
  setData(body, "detections", String(meta.detections.length));
  if (body.dataset["state"] !== "live" || banner.hidden === false) update();
}

/** @param {import("../wire/messages.js").ViewerFrame} meta @param {number} at */
function record(meta, at) {
  const { offset } = socket.clock;
  const took = offset === null ? NaN : Math.max(0, wallClock() + offset - meta.captured_at);
  const mode = meta.browser ? "browser" : "server";
  const transport = body.dataset["transport"] ?? "websocket";
  run.add({ at, latency: took, stages: meta.stages, transport, mode, device: meta.browser ?? "", model: meta.model });
  setData(body, "place", mode);
}

/** @param {{model: string, browser?: string}} meta */
function modelInWords({ model, browser }) {
  return browser ? `${model}, in the camera's browser` : model;
}

/** What is shown is what the camera saw in this frame. @param {{captured_at: number}} meta @param {number} at */
function upToDate(meta, at) {
  lastPictureAt = at;
  rate.tick(at);
  if (socket.clock.offset !== null) {
    latency.add(Math.max(0, wallClock() + socket.clock.offset - meta.captured_at), at);
  }
}

/** Nothing moves: the picture that is shown is as good as a new one. @param {import("../wire/messages.js").StillMessage} meta */
function stillThere(meta) {
  upToDate(meta, performance.now());
  setData(body, "frame", String(meta.frameNumber));
  if (now.hadPicture && body.dataset["state"] !== "live") update();
}

/** @param {"waiting" | "live" | "ended"} state */
function cameraIs(state) {
  if (now.camera === state) return;
  now.camera = state;
  if (state === "live") lastPictureAt = performance.now();
  else clearNumbers();
}

function clearNumbers() {
  for (const mean of [rate, latency, inference]) mean.clear();
  objects.clear();
}

function update() {
  now.quiet = performance.now() - lastPictureAt;
  const words = viewWords(now, stream);
  setData(body, "state", words.state);
  setText(byId("pill", HTMLElement), words.pill);
  setData(byId("pill", HTMLElement), "kind", words.kind);
  const retry = { text: "Try now", id: "retry", run: () => socket.retryNow() };
  const actions = [...(words.banner?.actions ?? []), ...(words.retry ? [retry] : [])];
  banner.say(words.banner && { ...words.banner, actions });
  setData(stage, "showing", now.hadPicture ? "canvas" : "nothing");
  setData(stage, "stale", String(words.banner !== null && !words.small));
  setData(stage, "notice", words.small ? "small" : "full");
}

function tick() {
  const state = body.dataset["state"];
  const live = state === "live" || state === "stalled";
  const perSecond = rate.perSecond();
  figures.show({
    fps: fps(live ? perSecond : NaN),
    latency: millis(state === "live" ? latency.value : NaN),
    inference: millis(state === "live" ? inference.value : NaN),
    shown: count(shown),
    skipped: count(receiver.skipped + socket.skipped),
  });
  setData(body, "fps", live ? perSecond.toFixed(1) : "");
  setData(body, "latency", live && Number.isFinite(latency.value) ? latency.value.toFixed(1) : "");
  setData(body, "shown", String(shown));
  update();
}

function tellServer() {
  if (now.phase !== "open" || now.camera !== "live" || document.hidden || !Number.isFinite(latency.value)) return;
  const queueSize = receiver.waiting;
  socket.send({ type: "performance_stats", fps: rate.perSecond(), latency: latency.value, queueSize });
}

function visibility() {
  clearTimeout(hiddenTimer);
  receiver.pause(document.hidden);
  if (document.hidden) {
    hiddenTimer = setTimeout(() => {
      now.paused = true;
      socket.close();
    }, CLOSE_WHEN_HIDDEN_MS);
  } else if (now.paused) {
    now.paused = false;
    socket.open();
  }
}

function setUpFullscreen() {
  const button = byId("fullscreen", HTMLButtonElement);
  button.hidden = !document.fullscreenEnabled;
  button.addEventListener("click", () => void stage.requestFullscreen());
}

setUpShell();
setUpLink(stream);
setUpLooks(painter);
setUpFullscreen();
setText(byId("stream", HTMLElement), stream);
document.title = `${stream} · Viewer · Sightline`;
document.addEventListener("visibilitychange", visibility);
addEventListener("online", () => socket.retryNow());
addEventListener("pagehide", () => socket.close());
addEventListener("pageshow", (event) => {
  if (event.persisted) socket.open();
});
const knowModel = setUpModel(stream, painter, () => now.phase === "open", (stats) => {
  figures.show({
    viewers: count(stats.viewers),
    dropped: count(lost(stats).reduce((sum, [, n]) => sum + n, 0)),
    model: stats.model ? modelInWords(stats) : "–",
  });
  run.served(stats.settings.engine, stats.settings.device);
  run.drops([...lost(stats), ["skipped here", receiver.skipped]], performance.now());
});
setInterval(tick, TICK_MS);
setInterval(tellServer, STATS_MS);
socket.open();
receiver.pause(document.hidden);
