/** A stream's card on the start page. */

import { icon, make, setData, setText } from "../lib/dom.js";
import { count, fps, millis, plural } from "../lib/format.js";
import { said, t } from "../lib/i18n.js";
import { lost } from "../wire/stream-stats.js";
import { reasonInWords, reducedInWords } from "./words.js";

/** The figures of a card, each with its name and meaning. */
const FIGURES = {
  fps: [t`fps`, t`Results a second`],
  processing: [t`processing`, t`From a picture's arrival at the server to its result: half of them take less`],
  viewers: [t`viewers`, t`Who is watching`],
  dropped: [t`dropped`, t`Pictures without the result that somebody wanted`],
};

export class Card {
  element;
  /** The thumbnail, while there is no live picture. */
  image = make("img", { alt: "", width: "320", height: "180", hidden: "" });
  /** @type {import("../wire/stream-stats.js").StreamStats} */
  stats;
  /** True while live pictures come. */
  live = false;
  #canvas = make("canvas", { hidden: "" });
  #pill = make("p", { class: "pill" });
  #model = make("p", { class: "card-model" });
  #nothing = make("span", { class: "nothing" });
  #drops = make("p", { class: "card-drops" });
  #name = make("a");
  #move = make("button", { type: "button", class: "button square move" }, icon("move"));
  #more = make("button", { type: "button", class: "button square more" }, icon("more"));
  #watch;
  #camera;
  /** @type {Record<keyof typeof FIGURES, HTMLElement>} */
  #figures = { fps: make("dd"), processing: make("dd"), viewers: make("dd"), dropped: make("dd") };

  /**
   * @param {import("../wire/stream-stats.js").StreamStats} stats
   * @param {(card: Card) => void} manage opens what can be done with the camera, for those who may
   */
  constructor(stats, manage) {
    this.stats = stats;
    const { name } = stats;
    const view = `/view/${name}`;
    this.#watch = make("a", { class: "button main", href: view }, icon("eye"), t`Watch`);
    this.#camera = make("a", { class: "button", href: `/camera/${name}` }, icon("camera"), t`Camera`);
    this.#more.addEventListener("click", () => manage(this));
    this.#name.href = view;
    const thumbnail = make("a", { class: "thumbnail", href: view, tabindex: "-1", "aria-hidden": "true" });
    thumbnail.append(this.#nothing, this.image, this.#canvas);
    const figures = make("dl", { class: "card-figures" });
    for (const [name, place] of Object.entries(this.#figures)) {
      const [label = "", title = ""] = FIGURES[/** @type {keyof typeof FIGURES} */ (name)];
      figures.append(make("div", { title }, make("dt", {}, label), place));
    }
    this.element = make(
      "li",
      { class: "card", "data-stream": name },
      thumbnail,
      make("div", { class: "card-head" }, make("h2", {}, this.#name), this.#pill),
      this.#model,
      figures,
      this.#drops,
      make("div", { class: "card-links" }, this.#watch, this.#camera, this.#move, this.#more),
    );
    this.show(stats);
  }

  /** @param {import("../wire/stream-stats.js").StreamStats} stats */
  show(stats) {
    this.stats = stats;
    const { state, pill, kind, note } = standing(stats);
    const live = state === "live";
    this.#stand(state, pill, kind);
    this.#call(stats.display_name);
    const size = stats.width ? ` · ${stats.width} × ${stats.height}` : "";
    setData(this.element, "hub", stats.hub ?? "");
    const hub = stats.hub ? t` · on ${new URL(stats.hub).host}` : "";
    setText(this.#model, `${stats.model || t`model loading`}${size}${hub}`);
    const reasons = lost(stats);
    this.#tell({
      fps: fps(live ? stats.fps : NaN),
      processing: live && stats.delivered ? millis(stats.latency_ms.p50) : "–",
      viewers: count(stats.viewers),
      dropped: state === "resting" ? "–" : count(reasons.reduce((sum, [, n]) => sum + n, 0)),
    });
    const told = note || `${reducedInWords(stats.adaptive)} ${dropsInWords(reasons)}`.trim();
    setText(this.#drops, `${told} ${damageInWords(stats.damaged)}`.trim());
    this.#camera.hidden = stats.pulled; // the server pulls it: there is no camera page
    this.#watch.classList.toggle("main", state !== "waiting" || stats.pulled);
    this.#camera.classList.toggle("main", state === "waiting");
    setText(this.#nothing, state === "waiting" ? t`The camera is off` : t`No picture yet`);
    setData(this.element, "received", String(stats.received));
    setData(this.element, "group", stats.group);
    if (!live || !stats.detect) this.endLive();
  }

  /** @param {ImageBitmap} picture with everything drawn in; the card owns it from then on */
  showLive(picture) {
    this.#canvas.getContext("bitmaprenderer")?.transferFromImageBitmap(picture);
    this.#canvas.hidden = false;
    this.live = true;
  }

  /** No live pictures come for now. The last one stays until a thumbnail is newer. */
  endLive() {
    this.live = false;
  }

  /** The thumbnail is newer than the last live picture. */
  showStill() {
    this.#canvas.hidden = !this.live;
  }

  /** @param {string} name for people */
  #call(name) {
    if (this.#name.textContent === name) return;
    this.#name.textContent = this.#name.title = name;
    this.#watch.setAttribute("aria-label", t`Watch ${name}`);
    this.#camera.setAttribute("aria-label", t`Camera page of ${name}`);
    this.#more.setAttribute("aria-label", t`Manage ${name}`);
    this.#move.setAttribute("aria-label", t`Move ${name}`);
    this.#move.title = t`Drag, or press the arrow keys`;
  }

  /** Say that nothing is known any more: the server does not answer. */
  unknown() {
    this.#stand("unknown", t`Not known`, "");
    this.#tell({ fps: "–", processing: "–", viewers: "–", dropped: "–" });
    setText(this.#drops, t`This was the last picture before the connection was lost.`);
  }

  /** @param {string} state @param {string} pill @param {string} kind */
  #stand(state, pill, kind) {
    setData(this.element, "state", state);
    setText(this.#pill, pill);
    setData(this.#pill, "kind", kind);
  }

  /** @param {Record<keyof typeof FIGURES, string>} texts */
  #tell(texts) {
    for (const [name, text] of Object.entries(texts)) {
      setText(this.#figures[/** @type {keyof typeof FIGURES} */ (name)], text);
    }
  }
}

/**
 * How a stream stands, for its card. A stream that nobody wants rests: its camera is there, and the model does nothing.
 *
 * @param {import("../wire/stream-stats.js").StreamStats} stats
 * @returns {{state: import("../wire/stream-stats.js").StreamStats["state"] | "resting", pill: string, kind: "" | "good" | "warning", note: string}}
 */
export function standing({ state, reason, wanted }) {
  const none = reason && t`No pictures: ${said(reason)}.`;
  if (state === "reconnecting") return { state, pill: t`Reconnecting`, kind: "warning", note: t`${none} Trying again.` };
  if (state === "paused") return { state, pill: t`Paused`, kind: "warning", note: none };
  if (state === "waiting") return { state, pill: t`Waiting`, kind: "", note: none };
  if (wanted) return { state, pill: t`Live`, kind: "good", note: "" };
  return { state: "resting", pill: t`Resting`, kind: "", note: t`Nobody watches, so the model rests until somebody does.` };
}

/** Pictures of which a part was missing. They have results, too. @param {number} damaged */
export function damageInWords(damaged) {
  return damaged ? t`A part was missing in ${plural(damaged, "picture")}.` : "";
}

/** @param {[string, number][]} reasons */
export function dropsInWords(reasons) {
  const [first, second, ...more] = reasons;
  if (!first) return t`No picture was dropped.`;
  const parts = [first, ...(second ? [second] : [])].map(([reason, n]) => `${count(n)} × ${reasonInWords(reason)}`);
  if (more.length) parts.push(t`${count(more.reduce((sum, [, n]) => sum + n, 0))} × other reasons`);
  return t`Dropped: ${parts.join(", ")}.`;
}
