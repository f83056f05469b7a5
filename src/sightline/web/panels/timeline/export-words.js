/** Exports in words. Pure. */

import { t } from "../../lib/i18n.js";

/**
 * @typedef {import("../../wire/exports.js").Export} Export
 * @typedef {import("../../wire/exports.js").Format} Format
 */

/** What is in the pictures. @type {[import("../../wire/exports.js").Kind, string][]} */
export const KINDS = [
  ["recorded", t`As recorded`],
  ["converted", t`As recorded, for every player`],
  ["drawn", t`With the overlay chosen here`],
  ["blurred", t`With people blurred`],
];
/** @type {[Format, string][]} */
export const FORMATS = [
  ["mp4", t`MP4 video`],
  ["webm", t`WebM video`],
  ["gif", "GIF"],
  ["pictures", t`Pictures for training`],
];
/** @type {[number, string][]} */
export const SPEEDS = [1, 2, 4, 16, 60, 240].map((x) => [x, x === 1 ? t`Real time` : t`${x}× as fast`]);
/** @type {[number, string][]} */
export const EVERY = [
  [0.2, t`5 a second`],
  [1, t`1 a second`],
  [5, t`1 in 5 s`],
  [30, t`1 in 30 s`],
];
const SAID = { recorded: t`as recorded`, converted: t`converted`, drawn: t`with overlay`, blurred: t`people blurred` };
const NAMES = { mp4: "MP4", webm: "WebM", gif: "GIF", pictures: "COCO (ZIP)" };

/** What an export is, and how far. @param {Export} one */
export function exportInWords({ kind, format, speed, state, progress }) {
  const how = { waiting: t`waiting`, running: `${Math.floor(progress * 100)} %`, done: "", failed: t`it failed` }[state];
  return [NAMES[format], SAID[kind], speed > 1 ? `${speed}×` : "", how].filter(Boolean).join(" · ");
}
