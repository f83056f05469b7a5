/** A dialog with the picture of the moment, clean or with what is drawn on it, to be saved or copied. */

import { icon, make, setText } from "../../lib/dom.js";
import { fileName } from "../../lib/file-name.js";
import { t } from "../../lib/i18n.js";
import { remember, remembered } from "../../lib/storage.js";
import { saveBlob } from "../download.js";

const KEY = "snapshot.drawn";

export class Snapshot {
  #name;
  #pictures;
  /** @type {Blob | null} */
  #blob = null;
  #drawn = make("input", { type: "checkbox", role: "switch", id: "snapshot-drawn" });
  #preview = make("img", { alt: t`The picture of this moment`, id: "snapshot-picture" });
  #save = make("button", { type: "button", class: "button main", id: "snapshot-save", autofocus: "" }, icon("save"), t`Download`);
  #copy = make("button", { type: "button", class: "button", id: "snapshot-copy" }, icon("copy"), t`Copy`);
  #said = make("p", { class: "hint", id: "snapshot-said", role: "status" });
  #dialog = make("dialog", { id: "snapshot", "aria-labelledby": "snapshot-title" });

  /** @param {string} stream @param {import("../../draw/painter.js").Painter} painter */
  constructor(stream, painter) {
    this.#name = fileName(stream, new Date(), "png");
    this.#pictures = { drawn: painter.copy(true), clean: painter.copy(false) };
    this.#drawn.checked = remembered(KEY, "true") === "true";
  }

  /** Returns false where there is no picture. */
  open() {
    if (!this.#pictures.clean || document.querySelector("dialog[open]")) return Boolean(this.#pictures.clean);
    this.#build();
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    void this.#show();
    return true;
  }

  #build() {
    const close = make("button", { type: "button", class: "button quiet square", "aria-label": t`Close` }, icon("close"));
    const title = make("h2", { id: "snapshot-title" }, t`Snapshot`);
    const drawn = make("label", { class: "check" }, this.#drawn, make("span", {}, t`With what is drawn on it`));
    const name = make("p", { class: "hint", id: "snapshot-name" }, this.#name);
    const buttons = make("div", { class: "row" }, this.#save, this.#copy);
    this.#dialog.append(make("div", { class: "dialog-head" }, title, close), this.#preview, drawn, name, buttons, this.#said);
    close.addEventListener("click", () => this.#dialog.close());
    this.#drawn.addEventListener("change", () => {
      remember(KEY, String(this.#drawn.checked));
      void this.#show();
    });
    this.#save.addEventListener("click", () => this.#blob && saveBlob(this.#name, this.#blob));
    this.#copy.addEventListener("click", () => void this.#toClipboard());
    this.#dialog.addEventListener("close", () => {
      URL.revokeObjectURL(this.#preview.src);
      this.#dialog.remove();
    });
  }

  async #show() {
    this.#save.disabled = this.#copy.disabled = true;
    const { drawn, clean } = this.#pictures;
    const canvas = this.#drawn.checked ? drawn : clean;
    const blob = await new Promise((/** @type {(made: Blob | null) => void} */ resolve) => canvas?.toBlob(resolve, "image/png"));
    if (canvas !== (this.#drawn.checked ? drawn : clean)) return; // another was chosen meanwhile
    URL.revokeObjectURL(this.#preview.src);
    this.#blob = blob;
    if (blob) this.#preview.src = URL.createObjectURL(blob);
    this.#save.disabled = !blob;
    this.#copy.disabled = !blob || !navigator.clipboard?.write;
    if (!blob) setText(this.#said, t`The browser could not make a file of this picture.`);
    else setText(this.#said, this.#copy.disabled ? t`Browsers copy pictures only on pages with https, or on this computer itself.` : "");
    if (!this.#dialog.contains(document.activeElement) || document.activeElement === this.#dialog) this.#save.focus();
  }

  async #toClipboard() {
    if (!this.#blob) return;
    try {
      await navigator.clipboard.write([new ClipboardItem({ "image/png": this.#blob })]);
      setText(this.#said, t`Copied.`);
    } catch {
      setText(this.#said, t`The browser did not let this page copy it. It can be downloaded.`);
    }
  }
}
