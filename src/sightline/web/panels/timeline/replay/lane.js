/** What was found when a time was looked at again, on the strip: below what happened then, hollow, with the frames that differ. */

import { t } from "../../../lib/i18n.js";
import { inWords } from "../../events/words.js";

/** @typedef {import("../../../wire/replays.js").Outcome} Outcome */

export const LANE_HEIGHT = 12;
const MARK = 5;

/**
 * @param {CanvasRenderingContext2D} context @param {Outcome} outcome @param {(at: number) => number} x
 * @param {number} top @param {CSSStyleDeclaration} ink
 */
export function drawLane(context, { since, until, differences, now }, x, top, ink) {
  context.fillStyle = ink.borderTopColor;
  context.fillRect(x(since), top, Math.max(2, x(until) - x(since)), LANE_HEIGHT - 2);
  context.fillStyle = ink.color;
  for (const { at } of differences) context.fillRect(x(at), top + MARK + 2, 1.5, LANE_HEIGHT - MARK - 4);
  context.lineWidth = 1.5;
  for (const { at, seconds, kind } of now.events) {
    context.strokeStyle = kind === "rule" ? ink.textDecorationColor : ink.outlineColor;
    context.strokeRect(x(at) + 0.75, top + 1, Math.max(2.5, x(at + (seconds ?? 0)) - x(at) - 1.5), MARK - 1);
  }
}

/**
 * What is found now at a time, or that a frame differs there; empty for nothing.
 *
 * @param {Outcome} outcome @param {number} at @param {number} near seconds
 */
export function laneInWords({ differences, now }, at, near) {
  const one = now.events.find((event) => event.at - near <= at && at <= event.at + (event.seconds ?? 0) + near);
  if (one) return `${t`Now`}: ${inWords(happening(one), at)}`;
  return differences.some((frame) => Math.abs(frame.at - at) <= near) ? t`Differs` : "";
}

/** @param {import("../../../wire/replays.js").Happened} one */
function happening({ at, kind, name, class_name, direction, seconds }) {
  const where = kind === "rule" ? { rule: name, zone: "" } : { rule: "", zone: name };
  const made = { kind, class_name, direction, seconds, ...where, started_at: at, ended_at: at + (seconds ?? 0), reason: "" };
  return /** @type {import("../../../wire/events.js").Happening} */ (made);
}
