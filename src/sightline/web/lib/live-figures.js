/** The three figures of live pictures, smoothed for the eye. */

import { Average, Rate } from "./format.js";

export class LiveFigures {
  #rate = new Rate();
  #latency = new Average();
  #inference = new Average();

  /**
   * A picture was shown.
   *
   * @param {number} at milliseconds @param {number} latency milliseconds, NaN where nobody knows
   */
  shown(at, latency) {
    this.#rate.tick(at);
    if (Number.isFinite(latency)) this.#latency.add(latency, at);
  }

  /** The model took this long for one. @param {number} took milliseconds @param {number} at milliseconds */
  inferred(took, at) {
    this.#inference.add(took, at);
  }

  /** Nothing is live any more. */
  clear() {
    for (const mean of [this.#rate, this.#latency, this.#inference]) mean.clear();
  }

  /** Pictures a second. */
  get fps() {
    return this.#rate.perSecond();
  }

  /** Milliseconds from taking a picture to showing it; NaN before the first. */
  get latency() {
    return this.#latency.value;
  }

  /** Milliseconds that the model takes for a picture; NaN before the first. */
  get inference() {
    return this.#inference.value;
  }
}
