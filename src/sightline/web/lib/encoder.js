/** Makes a JPEG and a bitmap of the same picture, in a worker (OffscreenCanvas) or on a page. */

import { captureSize } from "./geometry.js";

/**
 * @typedef {{maxSide: number, maxPixels: number, quality: number}} Limits
 * @typedef {{jpeg: ArrayBuffer, bitmap: ImageBitmap, width: number, height: number}} Encoded
 */

export class Encoder {
  #canvas = typeof OffscreenCanvas === "undefined" ? document.createElement("canvas") : new OffscreenCanvas(2, 2);
  #context;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  constructor() {
    // Pixels are read back for the JPEG, which is quicker from plain memory than from the GPU.
    const context = this.#canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    if (!context) throw new Error("no 2d context");
    this.#context = /** @type {OffscreenCanvasRenderingContext2D | CanvasRenderingContext2D} */ (context);
  }

  /**
   * Take a picture and encode it. It is taken at once; JPEGs come later, in the order of the calls.
   *
   * @param {ImageBitmap | VideoFrame | HTMLVideoElement} source
   * @param {Limits} limits
   * @returns {Promise<Encoded>}
   */
  encode(source, limits) {
    const { width, height } = this.draw(source, limits);
    const bitmap = createImageBitmap(this.#canvas);
    const blob = toBlob(this.#canvas, limits.quality);
    const before = this.#last;
    const done = (async () => {
      const jpeg = await (await blob).arrayBuffer();
      await before;
      return { jpeg, bitmap: await bitmap, width, height };
    })();
    this.#last = done.catch(() => {});
    return done;
  }

  /**
   * Take a picture without encoding it.
   *
   * @param {ImageBitmap | VideoFrame | HTMLVideoElement} source @param {Limits} limits
   */
  draw(source, limits) {
    const { width, height } = captureSize(...sizeOf(source), limits.maxSide, limits.maxPixels);
    if (this.#canvas.width !== width) this.#canvas.width = width;
    if (this.#canvas.height !== height) this.#canvas.height = height;
    this.#context.drawImage(source, 0, 0, width, height);
    return { width, height };
  }

  /** Pixels of the picture that was taken last. */
  get pixels() {
    return this.#context.getImageData(0, 0, this.#canvas.width, this.#canvas.height);
  }

  /** Bitmap of the picture that was taken last. */
  get bitmap() {
    return createImageBitmap(this.#canvas);
  }
}

/**
 * @param {ImageBitmap | VideoFrame | HTMLVideoElement} source
 * @returns {[number, number]}
 */
function sizeOf(source) {
  if ("displayWidth" in source) return [source.displayWidth, source.displayHeight];
  if ("videoWidth" in source) return [source.videoWidth, source.videoHeight];
  return [source.width, source.height];
}

/**
 * @param {OffscreenCanvas | HTMLCanvasElement} canvas @param {number} quality 0 to 1
 * @returns {Promise<Blob>}
 */
function toBlob(canvas, quality) {
  if ("convertToBlob" in canvas) return canvas.convertToBlob({ type: "image/jpeg", quality });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no JPEG came"))), "image/jpeg", quality);
  });
}
