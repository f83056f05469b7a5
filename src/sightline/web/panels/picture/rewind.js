/** The last pictures once more: played at their own pace or one by one, drawn in the mode that is chosen, on the stage. */

import { LASTS_MS, Trails } from "../../draw/trails.js";
import { make, setData, setText } from "../../lib/dom.js";
import { fixed } from "../../lib/format.js";
import { locale, t } from "../../lib/i18n.js";

/** How far it goes back at first. */
const BACK_MS = 10_000;
/** Where no picture came for longer, it goes on sooner. */
const LONGEST_MS = 2_000;
const CLOCK = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });

/**
 * @typedef {import("./ring.js").Kept} Kept
 * @typedef {import("../../draw/painter.js").Painter} Painter
 */

export class Rewind {
  /** Called when the live picture is shown again. */
  onend = () => {};
  #painter;
  #stage;
  #ring;
  #kept;
  #at;
  /** Of pictures that were asked for: only the newest is shown. */
  #asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #next;
  #playing = false;
  #play = button("", () => this.toggle());
  #slider = make("input", { type: "range", id: "rewind-at", min: "0", step: "1", "aria-label": t`Picture` });
  #words = make("span", { id: "rewind-words" });
  #bar;

  /** @param {Painter} painter @param {import("./ring.js").Ring} ring with at least one picture @param {HTMLElement} stage */
  constructor(painter, ring, stage) {
    this.#painter = painter;
    this.#stage = stage;
    this.#ring = ring;
    this.#kept = [...ring.kept]; // newer ones come meanwhile
    this.#at = this.#last;
    this.#slider.max = String(this.#last);
    this.#bar = make(
      "div",
      { class: "rewind", id: "rewind", role: "group", "aria-label": t`The last pictures` },
      ...[this.#play, button("‹", () => this.step(-1), t`One picture back`), this.#slider],
      ...[button("›", () => this.step(1), t`One picture on`), this.#words, button(t`Live`, () => this.end())],
    );
    this.#slider.addEventListener("input", () => this.#go(Number(this.#slider.value)));
    this.#bar.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target !== this.#slider) return;
      event.preventDefault();
      this.toggle();
    });
    stage.append(this.#bar);
    this.#painter.freeze(true);
    this.#show();
  }

  get #last() {
    return this.#kept.length - 1;
  }

  /** Go back by ten seconds, or by as much as there is, and play. */
  begin() {
    const from = this.#time(this.#last) - BACK_MS;
    this.#at = this.#kept.findIndex(({ at }) => at >= from);
    this.toggle();
    this.#slider.focus({ preventScroll: true });
  }

  /** Play, or stay at a picture. At the end it begins again. */
  toggle() {
    if (!this.#playing && this.#at === this.#last) this.#at = 0;
    this.#playing = !this.#playing;
    this.#show();
  }

  /** @param {number} by pictures */
  step(by) {
    this.#go(Math.min(this.#last, Math.max(0, this.#at + by)));
  }

  /** Show the live picture again. */
  end() {
    clearTimeout(this.#next);
    this.#asked += 1;
    this.#bar.remove();
    delete this.#stage.dataset["rewound"];
    this.#painter.freeze(false);
    this.onend();
  }

  /** @param {number} at */
  #go(at) {
    this.#playing = false;
    this.#at = at;
    this.#show();
  }

  /** @param {number} i */
  #time(i) {
    return this.#kept[i]?.at ?? 0;
  }

  #show() {
    clearTimeout(this.#next);
    const at = this.#time(this.#at);
    const before = (this.#time(this.#last) - at) / 1000;
    const clock = CLOCK.format(Date.now() - performance.now() + at);
    setText(this.#play, this.#playing ? t`Pause` : t`Play`);
    this.#slider.value = String(this.#at);
    this.#slider.setAttribute("aria-valuetext", t`${clock}, ${fixed(before, 1)} seconds before the last`);
    setText(this.#words, `−${fixed(before, 1)} s`);
    this.#words.title = clock;
    void this.#draw(performance.now());
  }

  /** @param {number} begun */
  async #draw(begun) {
    const [asked, i] = [(this.#asked += 1), this.#at];
    const kept = /** @type {Kept} */ (this.#kept[i]);
    const picture = await kept.decode().catch(() => null);
    if (asked !== this.#asked) return picture?.image.close();
    if (picture) {
      this.#painter.hold({ ...picture, findings: picture.findings && kept.meta }, this.#trails(i));
      this.#ring.onagain(kept.meta);
      setData(this.#stage, "rewound", String(kept.meta.frameNumber));
    }
    if (!this.#playing) return;
    const pace = Math.min(LONGEST_MS, this.#time(i + 1) - kept.at);
    this.#next = setTimeout(() => this.#on(), Math.max(0, pace - (performance.now() - begun)));
  }

  /** Play on. */
  #on() {
    if (this.#at < this.#last) this.#at += 1;
    else this.#playing = false;
    this.#show();
  }

  /** The ways of the objects up to that picture. @param {number} i */
  #trails(i) {
    const trails = new Trails();
    const past = this.#kept.slice(0, i + 1).filter(({ at }) => this.#time(i) - at < LASTS_MS);
    for (const { meta, at } of past) trails.add({ ...meta, findings: meta }, at);
    return trails;
  }
}

/** @param {string} text @param {() => void} run @param {string} label where the text alone says too little */
function button(text, run, label = "") {
  const made = make("button", { type: "button", class: "button", ...(label && { "aria-label": label }) }, text);
  made.addEventListener("click", run);
  return made;
}
