/** What the keys and buttons of the picture do. */

import { MODES } from "../../draw/modes.js";
import { make, setData, setText } from "../../lib/dom.js";
import { notice } from "../notice.js";
import { byId, loaded } from "../page.js";
import { actionOf } from "./keys.js";
import { following } from "./neighbours.js";
import { Zoom } from "./zoom.js";

/** @param {string} stream @param {import("../../draw/painter.js").Painter} painter @param {HTMLElement} stage */
export async function open(stream, painter, stage) {
  await loaded(make("link", { rel: "stylesheet", href: new URL("../../css/picture.css", import.meta.url).href }));
  return new Actions(stream, painter, stage);
}

export class Actions {
  zoom;
  #stream;
  #painter;
  #stage;
  /** What is unusual about the picture, with the way back. */
  #frozen = chip("frozen", "Frozen: go on");
  #closer = chip("zoomed", "");

  /** @param {string} stream @param {import("../../draw/painter.js").Painter} painter @param {HTMLElement} stage */
  constructor(stream, painter, stage) {
    this.#stream = stream;
    this.#painter = painter;
    this.#stage = stage;
    this.zoom = new Zoom(painter, stage, byId("canvas", HTMLElement));
    this.zoom.onchange = () => this.#show();
    this.#frozen.addEventListener("click", () => this.do("freeze"));
    this.#closer.addEventListener("click", () => this.do("reset"));
    stage.append(make("div", { class: "chips" }, this.#frozen, this.#closer));
    for (const name of ["keydown", "click"]) document.addEventListener(name, (event) => this.take(event));
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
    } else if (event.type !== "pointerdown") this.zoom.take(event); // a finger may be gone by now
  }

  /** @param {string} action see `keys.js` */
  do(action) {
    const [name = "", more = ""] = action.split(" ");
    /** @type {Record<string, () => unknown>} */
    const deeds = {
      freeze: () => this.#freeze(),
      snapshot: () => this.#snapshot(),
      overlay: () => this.#overlay(),
      mode: () => this.#mode(more),
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
    void Promise.resolve(deeds[name]?.()).catch(() => notice("This could not be loaded. Try again."));
  }

  #freeze() {
    if (!this.#painter.shown) return notice("There is no picture yet.");
    this.#painter.freeze(!this.#painter.frozen);
    this.#show();
  }

  async #snapshot() {
    const { Snapshot } = await import("./snapshot.js");
    if (!new Snapshot(this.#stream, this.#painter).open()) notice("There is no picture yet.");
  }

  #overlay() {
    const box = byId("overlay", HTMLInputElement);
    box.click();
    notice(box.checked ? "What the model sees is shown." : "What the model sees is hidden.");
  }

  /** @param {string} digit of a mode; the next one without */
  #mode(digit) {
    if (!byId("overlay", HTMLInputElement).checked) byId("overlay", HTMLInputElement).click();
    const select = byId("mode", HTMLSelectElement);
    const index = digit ? Number(digit) : (select.selectedIndex + 1) % select.options.length; // the first is “Automatic”
    if (index > MODES.length) return;
    select.selectedIndex = index;
    select.dispatchEvent(new Event("change"));
    notice(`Shown as: ${select.selectedOptions[0]?.textContent ?? ""}`);
  }

  /** @param {1 | -1} by */
  async #go(by) {
    const next = await following(this.#stream, by);
    if (next) location.assign(`/view/${next}${location.search}`);
    else notice(next === null ? "The server doesn't answer." : "No other stream is live.");
  }

  #show() {
    const { view, frozen } = this.#painter;
    this.#frozen.hidden = !frozen;
    this.#closer.hidden = view.zoom === 1;
    setText(this.#closer, `${Math.round(100 * view.zoom)} %: show all`);
    setData(this.#stage, "zoomed", String(view.zoom > 1));
    for (const button of document.querySelectorAll("[data-do][aria-pressed]")) {
      const on = button.getAttribute("data-do") === "freeze" ? frozen : view.fill;
      button.setAttribute("aria-pressed", String(on));
    }
  }
}

/** @param {string} id @param {string} text */
function chip(id, text) {
  return make("button", { type: "button", class: "button", id: `picture-${id}`, hidden: "" }, text);
}
