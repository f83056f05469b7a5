/** A viewer's side of the wire. It joins messages into pictures and decodes them; the newest picture wins. */

import { readMask } from "./mask.js";

/**
 * @typedef {import("./messages.js").ViewerFrame} ViewerFrame
 * @typedef {(meta: ViewerFrame, bytes: Uint8Array<ArrayBuffer>) => Promise<import("./findings.js").Picture>} Decode
 * @typedef {{
 *   onpicture: (meta: ViewerFrame, picture: import("./findings.js").Picture) => void,
 *   onbroken: (meta: ViewerFrame) => void,
 * }} Events
 */

export class Receiver {
  /** Number of pictures passed over because a newer one was there already. */
  skipped = 0;
  #events;
  #decode;
  /** @type {ViewerFrame | null} */
  #announced = null;
  /** @type {{meta: ViewerFrame, bytes: Uint8Array<ArrayBuffer>} | null} */
  #next = null;
  #busy = false;
  #paused = false;

  /** @param {Events} events @param {Decode} decode */
  constructor(events, decode = decodePicture) {
    this.#events = events;
    this.#decode = decode;
  }

  /** Number of pictures that are received or being decoded, but not shown yet. */
  get waiting() {
    return (this.#next ? 1 : 0) + (this.#busy ? 1 : 0);
  }

  /** @param {ViewerFrame} meta */
  announce(meta) {
    this.#announced = meta;
  }

  /** @param {ArrayBuffer} data */
  receive(data) {
    const meta = this.#announced;
    this.#announced = null;
    if (!meta) return;
    if (this.#next) this.skipped += 1;
    this.#next = { meta, bytes: new Uint8Array(data) };
    void this.#work();
  }

  /** Keep the newest picture and decode nothing, as nobody looks; or go on. @param {boolean} paused */
  pause(paused) {
    this.#paused = paused;
    void this.#work();
  }

  /** Forget a picture that has come half way: the connection is gone. */
  reset() {
    this.#announced = null;
    this.#next = null;
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next && !this.#paused) {
      const { meta, bytes } = this.#next;
      this.#next = null;
      try {
        this.#events.onpicture(meta, await this.#decode(meta, bytes));
      } catch (error) {
        console.warn(`picture ${meta.frameNumber} could not be shown:`, String(error));
        this.#events.onbroken(meta);
      }
    }
    this.#busy = false;
  }
}

/** @type {Decode} */
export async function decodePicture(meta, bytes) {
  const jpeg = new Blob([bytes.subarray(0, meta.jpeg_bytes)], { type: "image/jpeg" });
  const png = meta.mask_bytes ? bytes.subarray(meta.jpeg_bytes, meta.jpeg_bytes + meta.mask_bytes) : null;
  const [image, mask] = await Promise.all([createImageBitmap(jpeg), png ? readMask(png) : null]);
  const findings = meta.rendered ? null : meta;
  return { image, width: meta.width, height: meta.height, findings, mask, bytes };
}
