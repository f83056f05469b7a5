/** Requests of the server to a camera, kept within the server's limits and its largest message. */

/**
 * @typedef {{preset: string, fps: number, quality: number, width: number}} Knobs
 * @typedef {{max_fps: number, max_pixels: number}} Most the server's own limits, from its `hello`
 */

const LOWEST_QUALITY = 0.3;

export class Asked {
  /** The last request; before the first one, the default preset's beginning. @type {Knobs} */
  knobs = { preset: "", fps: 30, quality: 0.5, width: 640 };
  #highestQuality = 1;

  /** @param {Knobs} knobs */
  take({ preset, fps, quality, width }) {
    this.knobs = { preset, fps, quality, width };
  }

  /** Lower the quality from now on: a picture was larger than the server takes. */
  tooLarge() {
    this.#highestQuality = Math.max(LOWEST_QUALITY, Math.min(this.#highestQuality, this.knobs.quality) - 0.1);
  }

  /** Pictures per second. @param {Most | null} most null before the server has said it */
  pace(most) {
    return Math.min(this.knobs.fps, most?.max_fps ?? Infinity);
  }

  /** @param {Most | null} most @returns {import("../lib/encoder.js").Limits} */
  limits(most) {
    const quality = Math.min(this.knobs.quality, this.#highestQuality);
    return { maxSide: this.knobs.width, maxPixels: most?.max_pixels ?? Infinity, quality };
  }
}
