/** What the keys and buttons of the picture do. */

import { MODES } from "../../draw/modes.js";
import { make, setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { notice } from "../notice.js";
import { byId, loaded } from "../page.js";
import { actionOf } from "./keys.js";
import { following } from "./neighbours.js";
import { Zoom } from "./zoom.js";

/**
 * @typedef {import("../../draw/painter.js").Painter} Painter
 * @typedef {{stream: string, painter: Painter, ring: () => import("./ring.js").Ring | null, go: (stream: string) => void, signal: AbortSignal}} About
 *   `ring`: the pictures that are kept, once some are; `go` shows another stream; `signal`: this one is left
 */

/** @param {About} about @param {HTMLElement} stage */
export async function open(about, stage) {
  await loaded(make("link", { rel: "stylesheet", href: new URL("../../css/picture.css", import.meta.url).href }));
  return about.signal.aborted ? null : new Actions(about, stage);
}

export class Actions {
  zoom;
  #about;
  #painter;
  #stage;
  /** @type {import("./rewind.js").Rewind | null} */
  #rewind = null;
  /** What is unusual about the picture, with the way back. */
  #frozen = chip("frozen", t`Frozen: go on`);
  #closer = chip("zoomed", "");

  /** @param {About} about @param {HTMLElement} stage */
  constructor(about, stage) {
    const { painter, signal } = about;
    this.#about = about;
    this.#painter = painter;
    this.#stage = stage;
    this.zoom = new Zoom(painter, stage, byId("canvas", HTMLElement));
    this.zoom.onchange = () => this.#show();
    this.zoom.onswipe = (by) => this.do(by === 1 ? "next" : "previous");
    this.#frozen.addEventListener("click", () => this.do("freeze"));
    this.#closer.addEventListener("click", () => this.do("reset"));
    stage.append(make("div", { class: "chips" }, this.#frozen, this.#closer));
    for (const name of ["keydown", "click"]) document.addEventListener(name, (event) => this.take(event), { signal });
    signal.addEventListener("abort", () => this.#leave());
  }

  /** What somebody did, on whatever part of the page. @param {Event} event */
  take(event) {
    if (event instanceof KeyboardEvent) {
      const action = this.#stage.dataset["drawing"] === undefined ? actionOf(event) : "";
      if (action) event.preventDefault();
      this.do(action);
    } else if (event.type === "click") {
      const button = event.target instanceof Element ? event.target.closest("[data-do]") : null;
      this.do(button?.getAttribute("data-do") ?? "");
    } else if (!(event instanceof PointerEvent)) this.zoom.take(event);
    else this.zoom.touch(event); // the finger may be gone by now
  }

  /** @param {string} action see `keys.js` */
  do(action) {
    const [name = "", more = ""] = action.split(" ");
    /** @type {Record<string, () => unknown>} */
    const deeds = {
      freeze: () => (this.#rewind ? this.#rewind.toggle() : this.#freeze()),
      rewind: () => (this.#rewind ? this.#rewind.end() : this.#again((rewind) => rewind.begin())),
      step: () => this.#again((rewind) => rewind.step(more === "back" ? -1 : 1)),
      snapshot: () => this.#snapshot(),
      clip: () => import("./clip.js").then(({ saveClipOf }) => saveClipOf(this.#about.stream)),
      overlay: () => this.#overlay(),
      mode: () => this.#mode(more),
      right: () => (this.#rewind ? this.#rewind.step(1) : this.#go(1)),
      left: () => (this.#rewind ? this.#rewind.step(-1) : this.#go(-1)),
      next: () => this.#go(1),
      previous: () => this.#go(-1),
      in: () => this.zoom.by(1),
      out: () => this.zoom.by(-1),
      pan: () => this.zoom.pan(more),
      reset: () => this.zoom.reset(),
      fit: () => this.zoom.fit(),
      pip: () => import("./pip.js").then(({ toggle }) => toggle(byId("canvas", HTMLCanvasElement))),
      keys: () => import("./help.js").then(({ show }) => show()),
    };
    void Promise.resolve(deeds[name]?.()).catch(() => notice(t`This could not be loaded. Try again.`));
  }

  #freeze() {
    if (!this.#painter.shown) return notice(t`There is no picture yet.`);
    this.#painter.freeze(!this.#painter.frozen);
    this.#show();
  }

  /** Look at the last pictures once more. @param {(rewind: import("./rewind.js").Rewind) => void} then */
  async #again(then) {
    const { Rewind } = await import("./rewind.js");
    if (!this.#rewind) {
      const ring = this.#about.ring();
      if (!ring?.kept.length) return notice(t`There is no picture to go back to yet.`);
      this.#rewind = new Rewind(this.#painter, ring, this.#stage);
      this.#rewind.onend = () => {
        this.#rewind = null;
        this.#show();
      };
      if (document.body.dataset["transport"] === "webrtc") notice(t`Of video this page keeps five pictures a second.`);
      this.#show();
    }
    then(this.#rewind);
  }

  async #snapshot() {
    const { Snapshot } = await import("./snapshot.js");
    if (!new Snapshot(this.#about.stream, this.#painter).open()) notice(t`There is no picture yet.`);
  }

  #overlay() {
    const box = byId("overlay", HTMLInputElement);
    box.click();
    notice(box.checked ? t`What the model sees is shown.` : t`What the model sees is hidden.`);
  }

  /** @param {string} digit of a mode; the next one without */
  #mode(digit) {
    if (!byId("overlay", HTMLInputElement).checked) byId("overlay", HTMLInputElement).click();
    const select = byId("mode", HTMLSelectElement);
    const index = digit ? Number(digit) : (select.selectedIndex + 1) % select.options.length; // the first is “Automatic”
    if (index > MODES.length) return;
    select.selectedIndex = index;
    select.dispatchEvent(new Event("change"));
    notice(t`Shown as: ${select.selectedOptions[0]?.textContent ?? ""}`);
  }

  /** @param {1 | -1} by */
  async #go(by) {
    const { stream, go } = this.#about;
    const next = await following(stream, by);
    if (next) go(next);
    else notice(next === null ? t`The server doesn't answer.` : t`No other stream is live.`);
  }

  #leave() {
    this.#rewind?.end();
    if (document.pictureInPictureElement) void document.exitPictureInPicture(); // it shows the canvas that is left
  }

  #show() {
    const { view, frozen } = this.#painter;
    const stays = frozen && !this.#rewind;
    this.#frozen.hidden = !stays;
    this.#closer.hidden = view.zoom === 1;
    setText(this.#closer, t`${Math.round(100 * view.zoom)} %: show all`);
    setData(this.#stage, "zoomed", String(view.zoom > 1));
    const on = { freeze: stays, rewind: this.#rewind !== null, fit: view.fill };
    for (const [name, is] of Object.entries(on)) {
      document.querySelector(`[data-do=${name}]`)?.setAttribute("aria-pressed", String(is));
    }
  }
}

/** @param {string} id @param {string} text */
function chip(id, text) {
  return make("button", { type: "button", class: "button", id: `picture-${id}`, hidden: "" }, text);
}
