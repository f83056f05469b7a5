/**
 * The viewer's page: a `<sightline-viewer>`, with its status in words and figures around it. It goes from stream to stream in
 * place, so that full screen stays.
 */

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
import { showTransport } from "../panels/notice.js";
import { setUpNotify } from "../panels/notify.js";
import { ObjectList } from "../panels/objects.js";
import { Figures, byId, every, showName } from "../panels/page.js";
import { setUpPicture } from "../panels/picture/section.js";
import { setUpRun } from "../panels/run-panel.js";
import { setUpLink } from "../panels/share.js";
import { leadTo, setUpShell } from "../panels/shell.js";
import { reducedInWords } from "../panels/words.js";
import { setUpZones } from "../panels/zones/section.js";
import { may, whoAmI } from "../wire/session.js";
import { lost } from "../wire/stream-stats.js";
import { viewWords } from "./view-state.js";

const TICK_MS = 250;
/** Pictures are kept from then on, to be looked at once more. */
const KEEP_MS = 1_500;
const body = document.body;

/** One stream, shown. */
class StreamView {
  #stream;
  #signal;
  #stage = byId("stage", HTMLElement);
  #viewer = byId("viewer", SightlineViewer);
  #banner = byId("banner", StateBanner);
  #pill = byId("pill", HTMLElement);
  #figures = new Figures(document);
  #objects = new ObjectList(byId("objects", HTMLElement), byId("spoken", HTMLElement), byId("so-far", HTMLElement));
  #run;
  #zones;
  #knowModel;
  /** What was shown of late. It comes once there is time for it. @type {import("../panels/picture/ring.js").Ring | null} */
  #ring = null;
  #camera = this.#viewer.status.camera;
  #shown = 0;
  #mayPublish = true;
  /** How the last picture was inferred. @type {import("../panels/run-metrics.js").Setting} */
  #setting = { transport: "websocket", mode: "server", device: "", model: "" };
  /** What is known of the picture that is shown. @type {import("../wire/messages.js").ViewerFrame | null} */
  #latest = null;

  /**
   * Set up the page's parts for a stream, and connect.
   *
   * @param {string} stream @param {(stream: string) => void} go shows another one @param {AbortSignal} signal ends this one
   */
  constructor(stream, go, signal) {
    this.#stream = stream;
    this.#signal = signal;
    const { painter } = this.#viewer;
    for (const name of ["frame", "detections", "transport"]) delete body.dataset[name]; // of the stream before
    this.#run = setUpRun("view", stream, signal);
    this.#zones = setUpZones(stream, painter, signal);
    setUpLink(stream);
    setUpLooks(painter);
    setUpPicture({ stream, painter, ring: () => this.#ring, go, signal });
    this.#setUpParts();
    void setUpNotify(stream, signal);
    showName(stream, t`Viewer`);
    const matters = () => this.#viewer.status.phase === "open";
    this.#knowModel = setUpModel(stream, painter, matters, (stats) => this.#learn(stats), signal);
    void this.#askRights();
    this.#follow();
    this.#tick();
    every(TICK_MS, () => this.#tick(), signal);
    const keeping = setTimeout(() => void this.#keep(), KEEP_MS);
    signal.addEventListener("abort", () => this.#end(keeping));
    this.#viewer.setAttribute("transport", new URLSearchParams(location.search).get("transport") ?? "auto");
    this.#viewer.setAttribute("stream", stream);
  }

  #setUpParts() {
    const [stream, signal] = [this.#stream, this.#signal];
    setUpLazyPart("rules", () => import("../panels/rules/list.js"), ({ RuleList }, part, isOpen) =>
      new RuleList(stream, part).follow(isOpen, signal));
    setUpLazyPart("history", () => import("../panels/history/panel.js"), ({ showHistory }, part, isOpen) =>
      showHistory(stream, part, isOpen, signal));
    setUpLazyPart("links", () => import("../panels/links/list.js"), ({ listLinks }, part) => listLinks(stream, part));
  }

  #follow() {
    const viewer = this.#viewer;
    viewer.onconnect = () => this.#zones.connected();
    viewer.onmodel = (model) => this.#knowModel(model);
    viewer.onframe = (frame) => this.#frame(frame);
    viewer.onstill = (message, shown) => this.#still(message, shown);
    viewer.ontransport = (...told) => this.#signal.aborted || showTransport(...told);
    viewer.onstatus = (status) => this.#status(status);
  }

  /** @param {ReturnType<typeof setTimeout>} keeping */
  #end(keeping) {
    clearTimeout(keeping);
    this.#objects.clear();
  }

  async #keep() {
    const { Ring } = await import("../panels/picture/ring.js");
    this.#ring = new Ring((meta) => this.#objects.show(meta));
  }

  async #askRights() {
    const clip = byId("save-clip", HTMLElement);
    this.#mayPublish = may(await whoAmI(), "publish", this.#stream);
    clip.hidden = !this.#mayPublish;
  }

  /** @param {import("../elements/sightline-viewer.js").Frame} frame */
  #frame({ meta, picture, at, latency }) {
    this.#ring?.add(meta, picture, at);
    this.#latest = meta;
    this.#shown += 1;
    const mode = meta.browser ? "browser" : "server";
    const transport = body.dataset["transport"] ?? "websocket";
    this.#setting = { transport, mode, device: meta.browser ?? "", model: meta.model };
    this.#run.add({ at, latency, stages: meta.stages, ...this.#setting });
    if (!this.#viewer.painter.frozen) this.#objects.show(meta);
    this.#figures.show({ model: modelInWords(meta), size: `${meta.width} × ${meta.height}` });
    setData(body, "place", mode);
    setData(body, "shape", meta.width > meta.height ? "wide" : "high");
    setData(body, "frame", String(meta.frameNumber));
    setData(body, "detections", String(meta.detections.length));
  }

  /** @param {import("../wire/messages.js").StillMessage} message @param {{at: number, latency: number}} shown */
  #still(message, { at, latency }) {
    this.#run.add({ at, latency, stages: {}, ...this.#setting }); // a picture, too: the page's fps counts it
    setData(body, "frame", String(message.frameNumber));
    if (!this.#latest) return;
    this.#ring?.again(message, at);
    const { detections = this.#latest.detections, extras = {} } = message;
    this.#latest = { ...this.#latest, detections, extras };
    if (!this.#viewer.painter.frozen) this.#objects.show(this.#latest);
  }

  /** @param {import("../elements/sightline-viewer.js").Status} status */
  #status({ camera }) {
    if (camera !== this.#camera && camera !== "live") {
      this.#objects.clear();
      this.#zones.rest();
      this.#latest = null;
    }
    this.#camera = camera;
    this.#update();
  }

  /** @param {import("../wire/stream-stats.js").Stats} stats */
  #learn(stats) {
    showName(stats.display_name, t`Viewer`, stats.recording);
    this.#figures.show({
      viewers: count(stats.viewers),
      dropped: count(lost(stats).reduce((sum, [, n]) => sum + n, 0)),
      damaged: count(stats.damaged),
      model: stats.model ? modelInWords(stats) : "–",
    });
    showReduced(stats);
    this.#zones.learn(stats);
    this.#run.served(stats.settings.engine, stats.settings.device);
    this.#run.drops([...lost(stats), [t`skipped here`, this.#viewer.skipped]], performance.now());
  }

  #update() {
    const now = this.#viewer.status;
    const words = viewWords(now, this.#stream, this.#mayPublish);
    setData(body, "state", words.state);
    setText(this.#pill, words.pill);
    setData(this.#pill, "kind", words.kind);
    if (now.phase !== "open") this.#figures.gone();
    const retry = { text: t`Try now`, id: "retry", run: () => this.#viewer.retryNow() };
    const actions = [...(words.banner?.actions ?? []), ...(words.retry ? [retry] : [])];
    this.#banner.say(words.banner && { ...words.banner, actions });
    setData(this.#stage, "showing", now.hadPicture ? "canvas" : "nothing");
    setData(this.#stage, "stale", String(words.banner !== null && !words.small));
    setData(this.#stage, "notice", words.small ? "small" : "full");
  }

  #tick() {
    const viewer = this.#viewer;
    const { state } = viewer.status;
    const live = state === "live" || state === "stalled";
    const smooth = viewer.figures;
    this.#figures.show({
      fps: fps(live ? smooth.fps : NaN),
      latency: millis(state === "live" ? smooth.latency : NaN),
      inference: millis(state === "live" ? smooth.inference : NaN),
      shown: count(this.#shown),
      skipped: count(viewer.skipped + viewer.unmatched),
    });
    setData(body, "fps", live ? smooth.fps.toFixed(1) : "");
    setData(body, "latency", live && Number.isFinite(smooth.latency) ? smooth.latency.toFixed(1) : "");
    setData(body, "shown", String(this.#shown));
    this.#update();
  }
}

/** @param {{model: string, browser?: string}} meta */
function modelInWords({ model, browser }) {
  return browser ? t`${model}, in the camera's browser` : model;
}

/** Say what the stream is reduced to and why, while it is. @param {import("../wire/stream-stats.js").Stats} stats */
function showReduced({ state, adaptive }) {
  const words = state === "live" ? reducedInWords(adaptive) : "";
  setText(byId("reduced", HTMLElement), words);
  byId("reduced-area", HTMLElement).hidden = !words;
}

/** The main part as it came. */
const untouched = document.querySelector("main")?.cloneNode(true);
let stream = streamOf(location.pathname);
let left = new AbortController();

setUpShell();
setUpFullscreen();
addEventListener("popstate", () => void show(streamOf(location.pathname)));
new StreamView(stream, go, left.signal);

/** Go to another stream, with a way back. @param {string} next */
function go(next) {
  void show(next, () => history.pushState(null, "", `/view/${next}${location.search}`));
}

/** Show another stream in place of this one: nothing of this one stays. @param {string} next @param {() => void} first */
async function show(next, first = () => {}) {
  const { renewMain } = await import("./view-renewal.js");
  if (next === stream) return;
  first();
  left.abort();
  left = new AbortController();
  stream = next;
  renewMain(/** @type {HTMLElement} */ (untouched?.cloneNode(true)));
  leadTo(stream);
  new StreamView(stream, go, left.signal);
}
