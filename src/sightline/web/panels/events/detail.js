/** The whole of a happening: its picture with the box, all that is known, and what may be done with it. */

import { make, setData, setText } from "../../lib/dom.js";
import { className, said, t } from "../../lib/i18n.js";
import { addressOf, askClip } from "../../wire/events.js";
import { nameOf } from "../../wire/stream-names.js";
import { download } from "../download.js";
import { byId } from "../page.js";
import { duration, exactly, inWords, isLasting, isMoment, kindInWords, secondsOf, speedInWords, wayInWords } from "./words.js";

/** @typedef {import("../../wire/events.js").Happening} Happening */

const SURE_MS = 5_000;

export class Detail {
  #dialog = byId("detail", HTMLDialogElement);
  #image = byId("detail-picture", HTMLImageElement);
  #box = byId("detail-box", SVGSVGElement);
  #delete = byId("detail-delete", HTMLButtonElement);
  #lasted = make("span");
  #remove;
  /** @type {Happening | null} */
  #one = null;
  #sure = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #unsure;

  /**
   * @param {{close: () => void, move: (by: number) => void, remove: (one: Happening) => Promise<string>}} then
   *   `close`: the person wants to go back; `remove` gives the reason why it failed, or ""
   */
  constructor({ close, move, remove }) {
    this.#remove = remove;
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault(); // the page's address has to change, too
      close();
    });
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) close(); // beside it
    });
    byId("detail-close", HTMLButtonElement).addEventListener("click", close);
    byId("detail-newer", HTMLButtonElement).addEventListener("click", () => move(-1));
    byId("detail-older", HTMLButtonElement).addEventListener("click", () => move(1));
    byId("detail-json", HTMLButtonElement).addEventListener("click", () => this.#export());
    this.#delete.addEventListener("click", () => void this.#ask());
    this.#image.addEventListener("load", () => this.#loaded());
    this.#image.addEventListener("error", () => this.#lacking());
  }

  /** Id of the one that is shown; "" if none is. */
  get id() {
    return this.#dialog.open ? (this.#one?.id ?? "") : "";
  }

  /**
   * @param {Happening} one @param {number} now
   * @param {{mayDelete: boolean, newer: boolean, older: boolean}} can
   * @param {number} version of its picture, 0 for the one that is there
   */
  show(one, now, { mayDelete, newer, older }, version = 0) {
    if (one.id !== this.#one?.id || !this.#dialog.open) this.#begin(one);
    this.#one = one;
    this.tick(now);
    this.#picture(one, version);
    this.#facts(one);
    this.#mark();
    this.#delete.hidden = !mayDelete;
    byId("detail-newer", HTMLButtonElement).disabled = !newer;
    byId("detail-older", HTMLButtonElement).disabled = !older;
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  /** @param {number} now */
  tick(now) {
    const one = this.#one;
    if (!one) return;
    setText(byId("detail-title", HTMLElement), inWords(one, now));
    byId("detail-now", HTMLElement).hidden = !isLasting(one);
    setText(this.#lasted, duration(secondsOf(one, now)));
  }

  hide() {
    this.#one = null;
    this.#dialog.close();
  }

  /** @param {Happening} one */
  #begin(one) {
    this.#image.removeAttribute("src");
    this.#image.hidden = true;
    this.#box.replaceChildren();
    this.#doubt();
    this.#delete.disabled = false;
    setText(byId("detail-problem", HTMLElement), "");
    setText(byId("detail-none", HTMLElement), one.snapshot ? "" : t`There is no picture of this.`);
    byId("detail-watch", HTMLAnchorElement).href = `/view/${one.stream}`;
    byId("detail-timeline", HTMLAnchorElement).href = `/timeline?stream=${one.stream}&at=${one.started_at}`;
    void this.#lookForClip(one);
  }

  /** Offer its clip where it was recorded. @param {Happening} one */
  async #lookForClip(one) {
    const link = byId("detail-clip", HTMLAnchorElement);
    link.hidden = true;
    const { body } = await askClip(one.id);
    if (!body?.file || this.#one?.id !== one.id) return;
    link.href = body.file;
    link.hidden = false;
  }

  /** @param {Happening} one @param {number} version */
  #picture({ id, snapshot }, version) {
    if (!snapshot || (this.#image.src && !version)) return;
    const address = addressOf(id, "/picture.jpg");
    this.#image.src = version ? `${address}?n=${version}` : address;
    Object.assign(byId("detail-save", HTMLAnchorElement), { href: address, download: `sightline-${id}.jpg` });
  }

  #loaded() {
    const { naturalWidth: width, naturalHeight: height } = this.#image;
    this.#image.hidden = false;
    this.#image.alt = byId("detail-title", HTMLElement).textContent ?? "";
    setText(byId("detail-none", HTMLElement), "");
    byId("detail-save", HTMLElement).hidden = false;
    this.#box.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#mark();
  }

  /** Draw the object's box on the picture. */
  #mark() {
    const box = this.#image.hidden ? null : this.#one?.box;
    this.#box.replaceChildren(...(box ? [rectangle(box), rectangle(box)] : [])); // the wider one is its edge
  }

  #lacking() {
    this.#image.hidden = true;
    this.#box.replaceChildren();
    byId("detail-save", HTMLElement).hidden = true;
    setText(byId("detail-none", HTMLElement), t`Its picture is no longer there.`);
  }

  /** @param {Happening} one */
  #facts(one) {
    const { stream, kind, class_name, zone, rule, direction, track, started_at, ended_at, reason, box } = one;
    const moment = isMoment(one) && ended_at !== null;
    const facts = {
      [t`Stream`]: nameOf(stream),
      [t`Kind`]: kindInWords(kind),
      [t`Class`]: className(class_name),
      [direction ? t`Line` : t`Zone`]: zone,
      [t`Way`]: wayInWords(direction),
      [t`Rule`]: rule,
      [t`Object`]: track === null ? "" : `#${track}`,
      [moment ? t`Time` : t`Began`]: exactly(started_at),
      [t`Ended`]: moment ? "" : ended_at === null ? t`It goes on` : exactly(ended_at),
      [t`Lasted`]: moment ? "" : this.#lasted,
      [t`Speed`]: speedInWords(one.speed),
      [kind === "stream" ? t`Why` : t`Why it ended`]: said(reason),
      [t`Frames`]: framesInWords(one),
      [t`Box`]: box ? box.map(Math.round).join(", ") : "",
    };
    const rows = Object.entries(facts).filter(([, value]) => value);
    byId("detail-facts", HTMLElement).replaceChildren(
      ...rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))),
    );
  }

  #export() {
    const one = this.#one;
    if (one) download(`sightline-${one.id}.json`, "application/json", `${JSON.stringify(one, null, 1)}\n`);
  }

  async #ask() {
    const one = this.#one;
    if (!one) return;
    if (!this.#sure) {
      this.#sure = true;
      setText(byId("detail-delete-words", HTMLElement), t`Delete for good`);
      setData(this.#delete, "sure", "true");
      this.#unsure = setTimeout(() => this.#doubt(), SURE_MS);
      return;
    }
    this.#doubt();
    this.#delete.disabled = true;
    const problem = await this.#remove(one);
    if (one.id !== this.#one?.id) return;
    this.#delete.disabled = false;
    setText(byId("detail-problem", HTMLElement), problem);
  }

  #doubt() {
    clearTimeout(this.#unsure);
    this.#sure = false;
    setText(byId("detail-delete-words", HTMLElement), t`Delete`);
    setData(this.#delete, "sure", "false");
  }
}

/** Numbers of the frames in which it was seen. @param {Happening} one */
function framesInWords({ start_seq: first, end_seq: last }) {
  if (last === null) return t`from ${first}`;
  return last === first ? `${first}` : t`${first} to ${last}`;
}

/** @param {import("../../wire/events.js").Box} box */
function rectangle([x1, y1, x2, y2]) {
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  const sides = { x: x1, y: y1, width: x2 - x1, height: y2 - y1 };
  for (const [name, value] of Object.entries(sides)) shape.setAttribute(name, String(value));
  return shape;
}
