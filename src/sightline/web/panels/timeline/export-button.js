/** The button that opens what exports, which is loaded once somebody wants to. */

import { may } from "../../wire/session.js";
import { byId } from "../page.js";

export class ExportButton {
  #button = byId("export", HTMLButtonElement);
  #place = byId("exporting", HTMLElement);
  #page;
  /** @type {Promise<import("./export.js").ExportPanel> | null} */
  #loading = null;
  /** @type {import("./export.js").ExportPanel | null} */
  #panel = null;

  /** @param {Omit<import("./export.js").Page, "onclose">} page */
  constructor(page) {
    this.#page = page;
    this.#button.addEventListener("click", () => void this.toggle());
  }

  /** Who may export may also publish. @param {import("../../wire/session.js").Session | null} session @param {string} stream */
  allow(session, stream) {
    this.#button.hidden = !stream || !may(session, "publish", stream);
    this.update();
  }

  async toggle() {
    if (this.#button.hidden) return;
    if (!this.#place.hidden) return this.#close();
    const panel = await this.#load();
    panel.open();
    this.#button.setAttribute("aria-expanded", "true");
  }

  /** Put an edge of what is exported at the picture that is shown. @param {import("./range.js").Edge} edge */
  async mark(edge) {
    if (this.#place.hidden) await this.toggle();
    this.#panel?.mark(edge);
  }

  /** The page shows other times, or another stream. */
  update() {
    this.#panel?.update();
  }

  #close() {
    this.#panel?.close();
    this.#button.setAttribute("aria-expanded", "false");
    this.#button.focus();
  }

  async #load() {
    this.#loading ??= import("./export.js").then(({ ExportPanel }) => new ExportPanel(this.#place, { ...this.#page, onclose: () => this.#close() }));
    this.#panel = await this.#loading;
    return this.#panel;
  }
}
