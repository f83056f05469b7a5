/** Smooths a mask's alpha over time where little changes, for the page that infers itself. Twin of `analytics/steady.py`. */

import { round } from "./input.js";

const SLOW_S = 0.6;
const FORGOTTEN_S = 2;
const REACH = 2;
const STILL = 30;
const MOVING = 90;
const CUT = 0.5;

/** @typedef {import("../wire/mask.js").Mask} Mask */

export class SteadyEdges {
  /** The alpha as it was shown last. @type {Float32Array | null} */
  #shown = null;
  #width = 0;
  #at = 0;

  /**
   * A mask as it is to be shown. Its classes stay as they are.
   *
   * @param {Mask | null} mask @param {number} at seconds
   */
  show(mask, at) {
    const alpha = mask?.alpha;
    const passed = at - this.#at;
    this.#at = at;
    if (!mask || !alpha) {
      this.#shown = null;
      return mask;
    }
    const values = this.#smoothed(alpha, passed);
    this.#width = alpha.width;
    this.#shown ??= Float32Array.from(alpha.values);
    return values ? { ...mask, alpha: { ...alpha, values } } : mask;
  }

  /** Values to show; null where nothing of before counts. @param {Mask} alpha @param {number} passed seconds */
  #smoothed({ width, height, values }, passed) {
    const shown = this.#shown;
    this.#shown = null;
    if (shown?.length !== values.length || this.#width !== width || !(passed >= 0 && passed <= FORGOTTEN_S)) return null;
    const apart = shown.map((was, i) => Math.abs(was - (values[i] ?? 0)));
    const all = shown.reduce((sum, was, i) => sum + Math.max(was, values[i] ?? 0), 0);
    if (apart.reduce((sum, one) => sum + one, 0) > CUT * all) return null;
    const least = 1 - Math.exp(-passed / SLOW_S);
    const around = blurred(Uint8Array.from(apart, round), width, height);
    for (let i = 0; i < shown.length; i += 1) {
      const moves = Math.min(1, Math.max(0, ((around[i] ?? 0) - STILL) / (MOVING - STILL)));
      const was = shown[i] ?? 0;
      shown[i] = was + (least + (1 - least) * moves) * ((values[i] ?? 0) - was);
    }
    this.#shown = shown;
    return Uint8Array.from(shown, round);
  }
}

/** Means of the squares around each value. @param {Uint8Array} values @param {number} width @param {number} height */
function blurred(values, width, height) {
  const rows = sums(values, height, width, 1, width);
  return Uint8Array.from(sums(rows, width, height, width, 1), (sum) => round(sum / (2 * REACH + 1) ** 2));
}

/**
 * Sums of neighbours along lines, mirrored at their ends as OpenCV does.
 *
 * @param {ArrayLike<number>} values @param {number} lines @param {number} length @param {number} step from one value of
 *   a line to the next @param {number} line from one line to the next
 */
function sums(values, lines, length, step, line) {
  const out = new Float32Array(values.length);
  for (let at = 0; at < length; at += 1) {
    for (let offset = -REACH; offset <= REACH; offset += 1) {
      const from = mirrored(at + offset, length);
      for (let l = 0; l < lines; l += 1) {
        const to = l * line + at * step;
        out[to] = (out[to] ?? 0) + (values[l * line + from * step] ?? 0);
      }
    }
  }
  return out;
}

/** @param {number} at @param {number} length */
function mirrored(at, length) {
  if (length === 1) return 0;
  const inside = Math.abs(at) % (2 * length - 2);
  return inside < length ? inside : 2 * length - 2 - inside;
}
