/** The last pictures that this page got, each with what was said of it: to be looked at once more. */

import { decodePicture } from "../../wire/receiver.js";

const SPAN_MS = 30_000;
const MOST_BYTES = 48e6;
/** A video's pictures are compressed anew here, so only some of them are kept. */
const VIDEO_MS = 200;
const VIDEO_SIDE = 960;
const VIDEO_QUALITY = 0.85;

/**
 * @typedef {import("../../wire/messages.js").ViewerFrame} ViewerFrame
 * @typedef {import("../../wire/findings.js").Picture} Picture
 * @typedef {{meta: ViewerFrame, at: number, bytes: number, decode: () => Promise<Picture>}} Kept `at`: when it was
 *   shown, on the clock of `performance.now()`; `bytes`: 0 where they are those of the one before
 */

export class Ring {
  /** Oldest first. @type {Kept[]} */
  kept = [];
  #bytes = 0;
  #encoding = false;
  #most;

  /** @param {(meta: ViewerFrame) => void} onagain called with what was said of a picture that is shown once more @param {number} most bytes */
  constructor(onagain = () => {}, most = MOST_BYTES) {
    this.onagain = onagain;
    this.#most = most;
  }

  /** Keep a picture that was shown just now. @param {ViewerFrame} meta @param {Picture} picture @param {number} at */
  add(meta, picture, at) {
    const { bytes } = picture;
    if (bytes) this.#keep({ meta, at, bytes: bytes.byteLength, decode: () => decodePicture(meta, bytes) });
    else void this.#encode(meta, picture, at);
  }

  /** Nothing moved: keep the last picture with what is said of it now. @param {import("../../wire/messages.js").StillMessage} said @param {number} at */
  again({ frameNumber, captured_at, detections, extras = {} }, at) {
    const last = this.kept.at(-1);
    if (!last) return;
    const meta = { ...last.meta, frameNumber, captured_at, detections: detections ?? last.meta.detections, extras };
    this.#keep({ meta, at, bytes: 0, decode: last.decode });
  }

  /** @param {Kept} one */
  #keep(one) {
    this.kept.push(one);
    this.#bytes += one.bytes;
    for (let [first, second] = this.kept; first && second; [first, second] = this.kept) {
      if (one.at - first.at <= SPAN_MS && this.#bytes <= this.#most) return;
      if (second.bytes) this.#bytes -= first.bytes;
      else second.bytes = first.bytes;
      this.kept.shift();
    }
  }

  /** @param {ViewerFrame} meta @param {Picture} picture of a video @param {number} at */
  async #encode(meta, { image, mask, ...more }, at) {
    if (this.#encoding || at - (this.kept.at(-1)?.at ?? -Infinity) < VIDEO_MS) return;
    this.#encoding = true;
    const scale = Math.min(1, VIDEO_SIDE / Math.max(image.width, image.height));
    const canvas = new OffscreenCanvas(Math.round(image.width * scale), Math.round(image.height * scale));
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    try {
      const jpeg = await canvas.convertToBlob({ type: "image/jpeg", quality: VIDEO_QUALITY });
      const decode = async () => ({ ...more, mask, image: await createImageBitmap(jpeg) });
      this.#keep({ meta, at, bytes: jpeg.size + (mask?.values.length ?? 0) + (mask?.alpha?.values.length ?? 0), decode });
    } catch {
      // where memory is short there is less to look at
    }
    this.#encoding = false;
  }
}
