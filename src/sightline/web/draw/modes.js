/** All drawing modes. Each is a module in `overlays/`, with a renderer of the same name in Python. */

import { t } from "../lib/i18n.js";
import { isPerson } from "./layers.js";
import * as blend from "./overlays/blend.js";
import * as blurBackground from "./overlays/blur_background.js";
import * as boxes from "./overlays/boxes.js";
import * as contours from "./overlays/contours.js";
import * as filled from "./overlays/filled.js";
import * as replaceBackground from "./overlays/replace_background.js";
import * as sideBySide from "./overlays/side_by_side.js";
import * as tracks from "./overlays/tracks.js";

/**
 * @typedef {import("../wire/findings.js").Picture} Picture
 * @typedef {{name: string, title: string, needs: string, opacity: number, across?: number,
 *   draw: import("./layers.js").Draw}} Mode
 *   `needs`: nothing, a mask, or a person in one; `opacity`: the mode's own; `across`: pictures wide
 */

/** @type {readonly Mode[]} */
export const MODES = [boxes, tracks, filled, contours, blend, sideBySide, blurBackground, replaceBackground];

export const AUTO = "auto";
export const AUTO_OPACITY = 0.5;

/** @param {string} name @returns {Mode | undefined} undefined for "auto" */
export function modeNamed(name) {
  return MODES.find((mode) => mode.name === name);
}

/**
 * The mode that draws a picture, with the reason if it is not the one that was asked for.
 *
 * @param {string} name
 * @param {Picture} picture
 * @param {readonly string[] | null} labels the model's, if they are known
 * @returns {{mode: Mode, why: string | null}} `why` is null where this picture can't tell
 */
export function choose(name, picture, labels) {
  const fitting = picture.findings?.segments ? filled : boxes;
  const mode = modeNamed(name);
  if (!mode) return { mode: fitting, why: "" };
  const instead = t`Shown as “${fitting.title}”`;
  if ((mode === boxes || mode === tracks) && fitting !== boxes) return { mode: fitting, why: t`${instead}: this model finds areas, not boxes.` };
  if (mode.needs !== "nothing" && !picture.mask) {
    const nothing = !picture.findings?.detections.length; // a model that gives masks sends none then
    return { mode: fitting, why: nothing ? null : t`${instead}: this model gives boxes only; the model “person” gives masks.` };
  }
  if (mode.needs === "person" && labels && !labels.some(isPerson)) {
    return { mode: fitting, why: t`${instead}: this model doesn't know people.` };
  }
  return { mode, why: "" };
}
