/** Exports in words. Pure. */

/**
 * @typedef {import("../../wire/exports.js").Export} Export
 * @typedef {import("../../wire/exports.js").Format} Format
 */

/** What is in the pictures. @type {[import("../../wire/exports.js").Kind, string][]} */
export const KINDS = [
  ["recorded", "As recorded"],
  ["converted", "As recorded, for every player"],
  ["drawn", "With the overlay chosen here"],
  ["blurred", "With people blurred"],
];
/** @type {[Format, string][]} */
export const FORMATS = [
  ["mp4", "MP4 video"],
  ["webm", "WebM video"],
  ["gif", "GIF"],
  ["pictures", "Pictures for training"],
];
/** @type {[number, string][]} */
export const SPEEDS = [1, 2, 4, 16, 60, 240].map((x) => [x, x === 1 ? "Real time" : `${x}× as fast`]);
/** @type {[number, string][]} */
export const EVERY = [
  [0.2, "5 a second"],
  [1, "1 a second"],
  [5, "1 in 5 s"],
  [30, "1 in 30 s"],
];
const SAID = { recorded: "as recorded", converted: "converted", drawn: "with overlay", blurred: "people blurred" };
const NAMES = { mp4: "MP4", webm: "WebM", gif: "GIF", pictures: "COCO (ZIP)" };

/** What an export is, and how far. @param {Export} one */
export function exportInWords({ kind, format, speed, state, progress }) {
  const how = { waiting: "waiting", running: `${Math.floor(progress * 100)} %`, done: "", failed: "it failed" }[state];
  return [NAMES[format], SAID[kind], speed > 1 ? `${speed}×` : "", how].filter(Boolean).join(" · ");
}
