/** What the timeline's banner says in each situation. Pure, so that each can be tested. */

import { t } from "../lib/i18n.js";
import { reasonOfGap } from "../panels/timeline/words.js";
import { refusal } from "../panels/words.js";

/**
 * @typedef {{
 *   refused: import("../wire/events.js").Refused | null,
 *   state: import("../panels/timeline/player.js").PlayState,
 *   refusal: {code: string, message: string} | null,
 *   retryAt: number,
 *   stopped: string,
 *   nothing: boolean,
 *   stream: string,
 *   canRecord: boolean,
 *   streams: string[],
 * }} Situation `refused`: why nothing is known; `refusal`: why nothing is played; `stopped`: why nothing is recorded
 *   just now; `nothing` is recorded as yet
 */

/**
 * @param {Situation} s @param {{retry: () => void, record: () => void}} does
 * @returns {import("../elements/state-banner.js").State | null} null where there is nothing to say
 */
export function bannerOf(s, { retry, record }) {
  const again = { text: t`Try now`, id: "retry", run: retry };
  if (s.refused?.status === 401 || s.refusal?.code === "unauthorized") return { icon: "key", kind: "warning", ...told("unauthorized") };
  if (s.refused?.status === 403 || s.refusal?.code === "forbidden") return { icon: "key", kind: "warning", ...told("forbidden") };
  if (s.refused?.status === 0) {
    return { icon: "off", kind: "warning", title: t`The server doesn't answer`, text: t`This page goes on by itself.`, actions: [again] };
  }
  if (s.refused) {
    return { icon: "warning", kind: "error", title: t`The recordings can't be shown`, text: s.refused.message, actions: [again] };
  }
  if (s.state === "lost") {
    const { title, text = "" } = s.refusal ? refusal(s.refusal.code, s.refusal.message) : { title: t`The connection to the server is lost` };
    return { icon: "off", kind: "warning", title, text, retryAt: s.retryAt, actions: [again] };
  }
  if (s.nothing && s.state !== "live") return howToBegin(s, record);
  if (s.stopped) {
    return { icon: "warning", kind: "warning", title: t`Nothing is recorded just now`, text: t`Why: ${reasonOfGap(s.stopped)}. It goes on by itself.` };
  }
  return null;
}

/** @param {string} code @returns {{title: string, text: string, actions: import("../elements/state-banner.js").Action[]}} */
function told(code) {
  const { title, text, actions = [] } = refusal(code, "");
  return { title, text, actions };
}

/** @param {Situation} s @param {() => void} record @returns {import("../elements/state-banner.js").State} */
function howToBegin({ stream, canRecord, streams }, record) {
  const title = stream ? t`Nothing is recorded of “${stream}” yet` : t`Nothing is recorded yet`;
  const key = stream || streams[0] || "NAME";
  const always = t`In the settings file, [streams.${key}] record = "always" records it all the time, "events" when something happens there.`;
  if (!streams.length) return { icon: "camera", title, text: t`Add a camera first. ${always}`, actions: [{ text: t`Add a camera`, href: "/", main: true }] };
  if (stream && canRecord) return { icon: "camera", title, text: always, actions: [{ text: t`Record now`, id: "begin", main: true, run: record }] };
  return { icon: "camera", title, text: always, actions: streams.slice(0, 3).map((name) => ({ text: name, href: `/timeline?stream=${name}` })) };
}
