/** A stream's card on the start page. */

import { icon, make, setData, setText } from "../lib/dom.js";
import { count, fps, millis } from "../lib/format.js";
import { reasonInWords } from "./words.js";

export class Card {
  element;
  /** The thumbnail. */
  image = make("img", { alt: "", width: "320", height: "180", hidden: "" });
  /** @type {import("../wire/stream-stats.js").StreamStats} */
  stats;
  #pill = make("p", { class: "pill" });
  #model = make("p", { class: "card-model" });
  #nothing = make("span", { class: "nothing" });
  #drops = make("p", { class: "card-drops" });
  #watch;
  #camera;
  /** @type {Record<"fps" | "latency" | "viewers" | "drops", HTMLElement>} */
  #figures = { fps: make("dd"), latency: make("dd"), viewers: make("dd"), drops: make("dd") };

  /** @param {import("../wire/stream-stats.js").StreamStats} stats */
  constructor(stats) {
    this.stats = stats;
    const { name } = stats;
    const view = `/view/${name}`;
    this.#watch = make("a", { class: "button main", href: view }, icon("eye"), "Watch");
    this.#watch.setAttribute("aria-label", `Watch ${name}`);
    this.#camera = make("a", { class: "button", href: `/camera/${name}` }, icon("camera"), "Camera");
    this.#camera.setAttribute("aria-label", `Camera page of ${name}`);
    const thumbnail = make("a", { class: "thumbnail", href: view, tabindex: "-1", "aria-hidden": "true" });
    thumbnail.append(this.#nothing, this.image);
    const figures = make("dl", { class: "card-figures" });
    for (const [label, place] of Object.entries(this.#figures)) {
      figures.append(make("div", {}, make("dt", {}, label), place));
    }
    this.element = make(
      "li",
      { class: "card", "data-stream": name },
      thumbnail,
      make("div", { class: "card-head" }, make("h2", { title: name }, name), this.#pill),
      this.#model,
      figures,
      this.#drops,
      make("div", { class: "card-links" }, this.#watch, this.#camera),
    );
    this.show(stats);
  }

  /** @param {import("../wire/stream-stats.js").StreamStats} stats */
  show(stats) {
    this.stats = stats;
    const live = stats.state === "live";
    setData(this.element, "state", stats.state);
    const reconnecting = stats.state === "reconnecting";
    setText(this.#pill, live ? "Live" : reconnecting ? "Reconnecting" : "Waiting");
    setData(this.#pill, "kind", live ? "good" : reconnecting ? "warning" : "");
    const size = stats.width ? ` · ${stats.width} × ${stats.height}` : "";
    setText(this.#model, `${stats.model || "model loading"}${size}`);
    setText(this.#figures.fps, fps(live ? stats.fps : NaN));
    setText(this.#figures.latency, live && stats.delivered ? millis(stats.latency_ms.p50) : "–");
    setText(this.#figures.viewers, count(stats.viewers));
    const reasons = lost(stats);
    setText(this.#figures.drops, count(reasons.reduce((sum, [, n]) => sum + n, 0)));
    setText(this.#drops, reconnecting ? `No pictures: ${stats.reason}. Trying again.` : dropsInWords(reasons));
    this.#camera.hidden = stats.pulled; // the server pulls it: there is no camera page
    this.#watch.classList.toggle("main", live || stats.pulled);
    this.#camera.classList.toggle("main", !live);
    setText(this.#nothing, live || reconnecting ? "No picture yet" : "The camera is off");
    setData(this.element, "received", String(stats.received));
  }
}

/**
 * Pictures without a result by reason, failures among them; most frequent first.
 *
 * @param {import("../wire/stream-stats.js").StreamStats} stats
 */
export function lost(stats) {
  /** @type {[string, number][]} */
  const reasons = Object.entries(stats.dropped);
  if (stats.failed) reasons.push(["failed", stats.failed]);
  return reasons.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
}

/** @param {[string, number][]} reasons */
export function dropsInWords(reasons) {
  const [first, second, ...more] = reasons;
  if (!first) return "Every picture so far had its result.";
  const parts = [first, ...(second ? [second] : [])].map(([reason, n]) => `${count(n)} × ${reasonInWords(reason)}`);
  if (more.length) parts.push(`${count(more.reduce((sum, [, n]) => sum + n, 0))} × other reasons`);
  return `Dropped: ${parts.join(", ")}.`;
}
