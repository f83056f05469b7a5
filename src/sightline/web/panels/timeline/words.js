/** Times, gaps and situations of the timeline in words. Pure. */

import { fixed } from "../../lib/format.js";
import { dateLocale, locale, t } from "../../lib/i18n.js";
import { duration } from "../events/words.js";

/** @typedef {import("../../wire/recordings.js").Recorded} Recorded */

/** Why nothing is recorded, by the server's word. @type {Record<string, string>} */
const REASONS = {
  "no camera": t`no camera sent`,
  "server not running": t`the server was not running`,
  "not asked for": t`it was not to be recorded`,
  "disk full": t`the disk was full`,
  overload: t`more came than could be written`,
  "no key frame": t`copied without the pictures before`,
  undecodable: t`damaged on their way`,
  failed: t`a fault of ours; the log has it`,
  late: t`more came than could be written`,
  "outside its schedule": t`its schedule leaves this time out`,
};

/** Why nothing is recorded. @param {string} reason */
export function reasonOfGap(reason) {
  return REASONS[reason] ?? reason.replaceAll("_", " ");
}

/** @param {import("../../wire/recordings.js").Gap} gap */
export function gapInWords({ from, to, reason }) {
  return t`Nothing recorded for ${duration(to - from)}${reason ? `: ${reasonOfGap(reason)}` : ""}`;
}

/** @param {number} at @param {boolean} [exact] to the tenth of a second */
export function momentInWords(at, exact = false) {
  const time = new Date(at * 1000);
  const day = time.toLocaleDateString(dateLocale, { weekday: "short", day: "numeric", month: "short" });
  const fraction = exact ? { fractionalSecondDigits: /** @type {1} */ (1) } : {};
  return `${day}, ${time.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit", ...fraction })}`;
}

/** Name of a mark on the axis. @param {number} at */
export function tickInWords(at) {
  const time = new Date(at * 1000);
  if (!time.getHours() && !time.getMinutes()) return time.toLocaleDateString(dateLocale, { day: "numeric", month: "short" });
  return time.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
}

/** @param {number} bytes */
export function bytesInWords(bytes) {
  if (bytes >= 1e9) return `${fixed(bytes / 1e9, 1)} GB`;
  return bytes >= 1e6 ? `${Math.round(bytes / 1e6)} MB` : `${Math.round(bytes / 1e3)} KB`;
}

/** How a stream is recorded. @param {Recorded | undefined} one */
export function recordedInWords(one) {
  if (!one) return t`This stream is not recorded.`;
  const how = { always: t`Always recorded.`, events: t`Recorded when something happens.` }[one.mode] ?? t`Not recorded by itself.`;
  const times = one.schedule ? t` At ${one.schedule}.` : "";
  const now = one.recording ? t` Recording now.` : one.why ? t` Not now: ${one.why}.` : "";
  const size = one.bytes ? t` ${bytesInWords(one.bytes)} are kept.` : "";
  const lost = Object.entries(one.lost).filter(([, n]) => n);
  const why = lost.map(([reason, n]) => `${n} (${reasonOfGap(reason)})`).join(", ");
  return `${how}${times}${now}${size}${lost.length ? t` Pictures that were lost: ${why}.` : ""}`;
}

/** What the pill says. @param {import("./player.js").PlayState} state @param {number} speed @returns {{text: string, kind: string}} */
export function pillOf(state, speed) {
  if (state === "live") return { text: t`Live`, kind: "good" };
  if (state === "playing") return { text: speed === 1 ? t`Playing` : t`Playing ${speed}×`, kind: "good" };
  if (state === "lost") return { text: t`Reconnecting`, kind: "warning" };
  return { text: { none: t`Choose a time`, opening: t`Opening`, paused: t`Paused`, end: t`End of the recording`, empty: t`Nothing recorded` }[state], kind: "" };
}
