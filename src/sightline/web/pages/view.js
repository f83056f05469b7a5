/** The viewer's page: a `<sightline-viewer>`, with its status in words and figures around it. */

import { SightlineViewer } from "../elements/sightline-viewer.js";
import { StateBanner } from "../elements/state-banner.js";
import { setData, setText } from "../lib/dom.js";
import { count, fps, millis } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { streamOf } from "../lib/stream-name.js";
import { setUpFullscreen } from "../panels/fullscreen.js";
import { setUpLazyPart } from "../panels/lazy-part.js";
import { setUpLooks } from "../panels/looks.js";
import { setUpModel } from "../panels/model-panel.js";
import { setUpNotify } from "../panels/notify.js";
import { ObjectList } from "../panels/objects.js";
import { Figures, byId, showName } from "../panels/page.js";
import { setUpPicture } from "../panels/picture/section.js";
import { setUpRun } from "../panels/run-panel.js";
import { setUpLink } from "../panels/share.js";
import { setUpShell } from "../panels/shell.js";
import { showTransport } from "../panels/transport.js";
import { reducedInWords } from "../panels/words.js";
import { setUpZones } from "../panels/zones/section.js";
import { may, whoAmI } from "../wire/session.js";
import { lost } from "../wire/stream-stats.js";
import { viewWords } from "./view-state.js";

const TICK_MS = 250;
/** Pictures are kept from then on, to be looked at once more. */
const KEEP_MS = 1_500;

const stream = streamOf(location.pathname);
const body = document.body;
const stage = byId("stage", HTMLElement);
const viewer = byId("viewer", SightlineViewer);
const banner = byId("banner", StateBanner);
const figures = new Figures(document);
const objects = new ObjectList(
  byId("objects", HTMLElement),
  byId("spoken", HTMLElement),
  byId("so-far", HTMLElement),
);
const run = setUpRun("view", stream);
/** What was shown of late. It comes once there is time for it. @type {import("../panels/picture/ring.js").Ring | null} */
let ring = null;
const zones = setUpZones(stream, viewer.painter);
let camera = viewer.status.camera;
let shown = 0;
/** How the last picture was inferred. @type {import("../panels/run-metrics.js").Setting} */
let setting = { transport: "websocket", mode: "server", device: "", model: "" };
let mayPublish = true;
void whoAmI().then((session) => {
  mayPublish = may(session, "publish", stream);
  byId("save-clip", HTMLElement).hidden = !mayPublish;
});

viewer.onconnect = () => zones.connected();

viewer.onmodel = (model) => knowModel(model);

/** What is known of the picture that is shown. @type {import("../wire/messages.js").ViewerFrame | null} */
let latest = null;

viewer.onframe = ({ meta, picture, at, latency }) => {
  ring?.add(meta, picture, at);
  latest = meta;
  shown += 1;
  const mode = meta.browser ? "browser" : "server";
  const transport = body.dataset["transport"] ?? "websocket";
  setting = { transport, mode, device: meta.browser ?? "", model: meta.model };
  run.add({ at, latency, stages: meta.stages, ...setting });
  if (!viewer.painter.frozen) objects.show(meta);
  figures.show({ model: modelInWords(meta), size: `${meta.width} × ${meta.height}` });
  setData(body, "place", mode);
  setData(body, "shape", meta.width > meta.height ? "wide" : "high");
  setData(body, "frame", String(meta.frameNumber));
  setData(body, "detections", String(meta.detections.length));
};

viewer.onstill = (message, { at, latency }) => {
  run.add({ at, latency, stages: {}, ...setting }); // a picture, too: the page's fps counts it
  setData(body, "frame", String(message.frameNumber));
  if (!latest) return;
  ring?.again(message, at);
  latest = { ...latest, detections: message.detections ?? latest.detections, extras: message.extras ?? {} };
  if (!viewer.painter.frozen) objects.show(latest);
};

viewer.ontransport = showTransport;

viewer.onstatus = (status) => {
  if (status.camera !== camera) {
    camera = status.camera;
    if (camera !== "live") {
      objects.clear();
      zones.rest();
      latest = null;
    }
  }
  update();
};

/** @param {{model: string, browser?: string}} meta */
function modelInWords({ model, browser }) {
  return browser ? t`${model}, in the camera's browser` : model;
}

function update() {
  const now = viewer.status;
  const words = viewWords(now, stream, mayPublish);
  setData(body, "state", words.state);
  setText(byId("pill", HTMLElement), words.pill);
  setData(byId("pill", HTMLElement), "kind", words.kind);
  if (now.phase !== "open") figures.gone();
  const retry = { text: t`Try now`, id: "retry", run: () => viewer.retryNow() };
  const actions = [...(words.banner?.actions ?? []), ...(words.retry ? [retry] : [])];
  banner.say(words.banner && { ...words.banner, actions });
  setData(stage, "showing", now.hadPicture ? "canvas" : "nothing");
  setData(stage, "stale", String(words.banner !== null && !words.small));
  setData(stage, "notice", words.small ? "small" : "full");
}

/** Say what the stream is reduced to and why, while it is. @param {import("../wire/stream-stats.js").Stats} stats */
function showReduced({ state, adaptive }) {
  const words = state === "live" ? reducedInWords(adaptive) : "";
  setText(byId("reduced", HTMLElement), words);
  byId("reduced-area", HTMLElement).hidden = !words;
}

function tick() {
  const state = body.dataset["state"];
  const live = state === "live" || state === "stalled";
  const smooth = viewer.figures;
  figures.show({
    fps: fps(live ? smooth.fps : NaN),
    latency: millis(state === "live" ? smooth.latency : NaN),
    inference: millis(state === "live" ? smooth.inference : NaN),
    shown: count(shown),
    skipped: count(viewer.skipped + viewer.unmatched),
  });
  setData(body, "fps", live ? smooth.fps.toFixed(1) : "");
  setData(body, "latency", live && Number.isFinite(smooth.latency) ? smooth.latency.toFixed(1) : "");
  setData(body, "shown", String(shown));
  update();
}

setUpShell();
setUpLink(stream);
setUpLooks(viewer.painter);
setUpFullscreen();
setUpPicture(stream, viewer.painter, () => ring);
setUpLazyPart("rules", () => import("../panels/rules/list.js"), ({ RuleList }, part, isOpen) =>
  new RuleList(stream, part).follow(isOpen));
setUpLazyPart("history", () => import("../panels/history/panel.js"), ({ showHistory }, part, isOpen) =>
  showHistory(stream, part, isOpen));
setUpLazyPart("links", () => import("../panels/links/list.js"), ({ listLinks }, part) => listLinks(stream, part));
void setUpNotify(stream);
showName(stream, t`Viewer`);
const knowModel = setUpModel(stream, viewer.painter, () => viewer.status.phase === "open", (stats) => {
  showName(stats.display_name, t`Viewer`, stats.recording);
  figures.show({
    viewers: count(stats.viewers),
    dropped: count(lost(stats).reduce((sum, [, n]) => sum + n, 0)),
    damaged: count(stats.damaged),
    model: stats.model ? modelInWords(stats) : "–",
  });
  showReduced(stats);
  zones.learn(stats);
  run.served(stats.settings.engine, stats.settings.device);
  run.drops([...lost(stats), [t`skipped here`, viewer.skipped]], performance.now());
});
setInterval(tick, TICK_MS);
setTimeout(async () => {
  const { Ring } = await import("../panels/picture/ring.js");
  ring = new Ring((meta) => objects.show(meta));
}, KEEP_MS);
viewer.setAttribute("transport", new URLSearchParams(location.search).get("transport") ?? "auto");
viewer.setAttribute("stream", stream);
