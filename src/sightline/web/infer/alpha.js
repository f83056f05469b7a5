/** Alpha of two classes: to what share a pixel is of class 1, soft along edges. Twin of `models/_alpha.py`. */

import { round } from "./input.js";

const LONGEST = 512;
const SURE = 0.1;
const STEPS = 24;
const HALF = 127.5;
const SHARES = Uint8Array.from({ length: 256 }, (_, i) => {
  const share = 1 / (1 + Math.exp((128 - i) / STEPS));
  return round(255 * Math.min(1, Math.max(0, (share - SURE) / (1 - 2 * SURE))));
});

/**
 * Shares of 255, at the logits' own size or every second, third ... one of many; null for more or fewer classes.
 *
 * @param {import("./classes.js").Logits} logits or the shares of a graph that ends in a softmax
 * @returns {import("../wire/mask.js").Mask | null}
 */
export function alphaOf(logits) {
  if (logits.classes !== 2) return null;
  const { data, start, row, pixel, step } = logits;
  const skip = Math.ceil(Math.max(logits.width, logits.height) / LONGEST);
  const from = Math.floor(skip / 2);
  const width = Math.ceil((logits.width - from) / skip);
  const height = Math.ceil((logits.height - from) / skip);
  const values = new Uint8Array(width * height);
  const shares = areShares(logits);
  for (let i = 0; i < values.length; i += 1) {
    const at = start + (from + Math.floor(i / width) * skip) * row + (from + (i % width) * skip) * pixel;
    const [first, second] = [Number(data[at]), Number(data[at + step])];
    const level = shares ? round(255 * second) : round(STEPS * (second - first) + 128);
    const within = Math.min(255, Math.max(0, level));
    values[i] = shares ? within : (SHARES[within] ?? 0);
  }
  return { width, height, values };
}

/** An alpha as scores of its two classes, for their map. @param {import("../wire/mask.js").Mask} alpha */
export function scoresOf({ width, height, values }) {
  const step = values.length;
  const data = new Float32Array(2 * step).fill(HALF);
  data.set(values, step);
  return { data, start: 0, row: width, pixel: 1, step, classes: 2, width, height };
}

/** Whether a softmax ends the graph: some pixels tell. @param {import("./classes.js").Logits} logits */
function areShares({ data, start, row, pixel, step, width, height }) {
  for (let y = 0; y < height; y += Math.max(1, Math.floor(height / 8))) {
    for (let x = 0; x < width; x += Math.max(1, Math.floor(width / 8))) {
      const at = start + y * row + x * pixel;
      const [first, second] = [Number(data[at]), Number(data[at + step])];
      if (first < 0 || second < 0 || Math.abs(first + second - 1) >= 0.01) return false;
    }
  }
  return true;
}
