/** Part of the panel in which a stream's model is chosen and set, live. Both pages have it. */

import { make, setData, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { whoAmI } from "../wire/session.js";
import { followStats } from "../wire/stream-stats.js";
import { ClassList } from "./class-list.js";
import { KnownClasses } from "./looks.js";
import { ModelOffers } from "./model-offers.js";
import { ModelSettings, loads } from "./model-settings.js";
import { engineInWords, sizeInWords, sizes, whyReadOnly } from "./model-words.js";
import { byId } from "./page.js";

const GIVE_UP_MS = 120_000; // large models take their time to load
const NUMBERS = ["confidence", "iou", "max_detections", "imgsz", "track_lost_s", "track_confirm"];

/**
 * Set up a page's model panel, and follow the stream's statistics.
 *
 * @param {string} stream @param {import("../draw/painter.js").Painter} painter @param {() => boolean} matters
 * @param {(stats: import("../wire/stream-stats.js").Stats) => void} then
 * @param {AbortSignal} [signal] ends it
 * @returns {(model: string) => void} to be called with the model of each result
 */
export function setUpModel(stream, painter, matters, then, signal) {
  const ask = () => soon();
  const panel = new ModelPanel(stream, ask);
  if (document.body.dataset["state"] === "idle") panel.take(null, performance.now()); // a camera that is to start
  const known = new KnownClasses(painter, ask);
  const follow = (/** @type {import("../wire/stream-stats.js").Stats | null} */ stats, /** @type {number} */ askedAt) => {
    panel.take(stats, askedAt);
    if (!stats) return;
    known.learn(stats);
    then(stats);
  };
  // Once there, a stream is followed until it is forgotten.
  const soon = followStats(stream, () => matters() || panel.present, follow, () => panel.every, signal);
  return (model) => known.seen(model);
}

class ModelPanel {
  #stream;
  #settings;
  #offers;
  #classes;
  #section = byId("model-panel", HTMLElement);
  #engine = byId("engine", HTMLSelectElement, this.#section);
  #detect = byId("detect", HTMLInputElement, this.#section);
  #track = byId("track", HTMLInputElement, this.#section);
  #reset = byId("model-reset", HTMLButtonElement, this.#section);
  #readOnly = "";
  /** What the stream would begin with. @type {import("../wire/stream-stats.js").InForce | null} */
  #begins = null;
  /** The field that the person types into, which must not change meanwhile. @type {HTMLInputElement | null} */
  #typing = null;
  /** Kind of the model's results. Those with a class for every pixel have no confidence. */
  #areas = { model: "", whole: false };

  /** @param {string} stream @param {() => void} soon ask the server how the stream is, now */
  constructor(stream, soon) {
    this.#stream = stream;
    this.#settings = new ModelSettings({
      patch: (change) => this.#patch(change, soon),
      onchange: () => this.#show(),
      onwish: () => this.#expect(),
      onrefused: (why) => (this.#readOnly = t`The server says: ${why}.`),
    });
    this.#offers = new ModelOffers(
      stream,
      (name) => void this.#settings.set("model", name),
      (begins) => {
        this.#begins = begins;
        this.#expect();
        this.#show();
      },
    );
    this.#classes = new ClassList((ids) => void this.#settings.set("classes", ids), soon);
    for (const key of NUMBERS) this.#setUpNumber(key);
    this.#engine.addEventListener("change", () => void this.#settings.set("engine", this.#engine.value));
    this.#detect.addEventListener("change", () => void this.#settings.set("detect", this.#detect.checked));
    this.#track.addEventListener("change", () => void this.#settings.set("track", this.#track.checked));
    this.#reset.addEventListener("click", () => void this.#settings.reset());
    // Before a finger or the keyboard can be at the engines, they are known.
    for (const near of ["pointerenter", "focusin"]) this.#section.addEventListener(near, () => this.#offers.want());
    void this.#askRights();
    this.#show();
  }

  #expect() {
    if (this.#begins) this.#settings.expect(this.#begins, (name) => this.#offers.of(name));
  }

  /** True if the stream is there, as far as this page knows. */
  get present() {
    return this.#settings.detail !== null && !this.#settings.absent;
  }

  /** Milliseconds between two requests for the stream's statistics. */
  get every() {
    return this.#classes.open || this.#settings.detail?.pending ? 1_000 : 2_000;
  }

  /**
   * @param {import("../wire/stream-stats.js").Detail | null} detail null: there is no such stream
   * @param {number} askedAt
   */
  take(detail, askedAt) {
    if (!detail) this.#offers.want(); // it tells what the stream would begin with
    this.#settings.take(detail, askedAt);
  }

  /** Wire a number field, and its slider if it has one. @param {string} key */
  #setUpNumber(key) {
    const field = byId(key, HTMLInputElement, this.#section);
    const slider = sliderOf(key, this.#section);
    slider?.addEventListener("input", () => {
      field.value = slider.value;
      void this.#settings.set(key, Number(slider.value));
    });
    field.addEventListener("input", () => (this.#typing = field));
    field.addEventListener("blur", () => {
      this.#typing = null;
      this.#show();
    });
    field.addEventListener("change", () => {
      this.#typing = null;
      if (field.value === "") this.#show(); // empty or no number: restore it
      else void this.#settings.set(key, Number(field.value));
    });
  }

  /**
   * @param {import("./model-settings.js").Change} change @param {() => void} soon
   * @returns {Promise<import("./model-settings.js").Answer>}
   */
  async #patch(change, soon) {
    const headers = { "Content-Type": "application/json" };
    const request = { method: "PATCH", headers, body: JSON.stringify(change), signal: AbortSignal.timeout(GIVE_UP_MS) };
    const answering = fetch(`/api/streams/${this.#stream}`, request);
    if (loads(change)) soon(); // it is pending by then
    try {
      const answer = await answering;
      if (!answer.ok) soon();
      return { status: answer.status, body: await answer.json() };
    } catch {
      return { status: 0, body: null };
    }
  }

  async #askRights() {
    this.#readOnly = whyReadOnly(await whoAmI(), this.#stream);
    this.#show();
  }

  #show() {
    const settings = this.#settings;
    const { detail, problems } = settings;
    const mayChange = detail !== null && !this.#readOnly;
    setData(this.#section, "model", detail?.settings.model ?? "");
    setText(byId("model-right", HTMLElement, this.#section), this.#readOnly);
    this.#offers.show(settings, mayChange);
    for (const key of ["engine", "classes", "detect", "track", ...NUMBERS]) {
      setText(byId(`${key}-why`, HTMLElement, this.#section), problems.get(key) ?? "");
    }
    if (detail) this.#learnKind(detail);
    const counted = mayChange && !this.#areas.whole;
    const adapted = typeof detail?.adaptive?.confidence === "number" ? t`· the server adapts it` : "";
    setText(byId("confidence-about", HTMLElement, this.#section), this.#areas.whole ? t`· this model has none` : adapted);
    this.#showNumber("confidence", counted);
    this.#showNumber("iou", counted);
    this.#showNumber("max_detections", counted);
    this.#showTracks(counted && !settings.absent);
    this.#showSize(mayChange);
    this.#showEngines(mayChange);
    this.#reset.disabled = !mayChange;
    if (detail) this.#classes.show(detail, settings.value("classes"), mayChange);
  }

  /** @param {import("../wire/stream-stats.js").Detail} detail */
  #learnKind({ settings: { model }, seen }) {
    if (seen[0]) this.#areas = { model, whole: seen[0].share !== null };
    else if (this.#areas.model !== model) this.#areas = { model, whole: false };
  }

  /** @param {string} key @param {boolean} enabled */
  #showNumber(key, enabled) {
    const value = this.#settings.value(key);
    for (const input of [byId(key, HTMLInputElement, this.#section), sliderOf(key, this.#section)]) {
      if (!input) continue;
      input.disabled = !enabled;
      const text = typeof value === "number" ? String(value) : "";
      if (input.value !== text && input !== this.#typing) input.value = text;
    }
  }

  /** @param {boolean} mayChange */
  #showTracks(mayChange) {
    const on = this.#settings.value("track") === true;
    this.#detect.checked = this.#settings.value("detect") !== false;
    this.#detect.disabled = !mayChange;
    this.#track.checked = on;
    this.#track.disabled = !mayChange;
    this.#showNumber("track_lost_s", mayChange && on);
    this.#showNumber("track_confirm", mayChange && on);
  }

  /** @param {boolean} mayChange */
  #showSize(mayChange) {
    const detail = this.#settings.detail;
    const field = byId("imgsz", HTMLInputElement, this.#section);
    const { least, most } = sizes(detail?.stride ?? 32);
    Object.assign(field, { min: String(least), max: String(most), step: String(detail?.stride ?? 32) });
    this.#showNumber("imgsz", mayChange && (detail?.imgsz_changeable ?? false));
    setData(byId("imgsz-why", HTMLElement, this.#section), "kind", this.#settings.problems.has("imgsz") ? "problem" : "");
    const later = this.#settings.absent ? t`It can be chosen once the camera is on.` : "";
    const fixed = detail && !detail.imgsz_changeable ? t`This model has only this size.` : "";
    const free = detail?.imgsz_changeable ? sizeInWords(detail.stride, detail.adaptive?.imgsz) : "";
    if (!this.#settings.problems.has("imgsz")) setText(byId("imgsz-why", HTMLElement, this.#section), later || fixed || free);
  }

  /** @param {boolean} mayChange */
  #showEngines(mayChange) {
    const engine = String(this.#settings.value("engine") ?? "");
    const known = this.#offers.engines;
    const choice = engine ? [...new Set([...(known ?? []), engine])] : [];
    const shown = [...this.#engine.options].map((option) => option.value);
    const options = choice.length ? choice : [""];
    if (shown.join() !== options.join()) {
      this.#engine.replaceChildren(...options.map((name) => make("option", { value: name }, name ? engineInWords(name) : "none")));
    }
    this.#engine.value = engine;
    this.#engine.disabled = !mayChange || !engine || (known !== null && choice.length < 2);
  }
}

/** @param {string} key @param {Element} section @returns {HTMLInputElement | null} */
function sliderOf(key, section) {
  const found = section.querySelector(`#${key}-slider`);
  return found instanceof HTMLInputElement ? found : null;
}
