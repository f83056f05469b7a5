/** Sentences of the events page for each situation. Pure, so that each can be tested. */

import { t } from "../lib/i18n.js";
import { refusal } from "../panels/words.js";

/**
 * @typedef {import("../wire/events.js").Refused} Refused
 * @typedef {{
 *   loading: boolean,
 *   refused: Refused | null,
 *   live: import("../wire/socket.js").Phase,
 *   retryAt: number,
 *   hadServer: boolean,
 *   count: number,
 *   filtered: boolean,
 *   more: boolean,
 * }} Situation `refused`: why the list could not be had; `live`: the connection over which new ones come; `count`:
 *   of those on the page; `more`: there are older ones
 * @typedef {"loading" | "list" | "empty" | "nothing" | "gone" | "barred" | "error"} State
 */

/**
 * Why nothing comes over a connection any more; null where it comes, or will.
 *
 * @param {{phase: Situation["live"], refused: {code: string, message: string} | null} | undefined} connection
 * @returns {Refused | null}
 */
export function refusedOf(connection) {
  if (connection?.phase !== "closed" || !connection.refused) return null;
  const { code, message } = connection.refused;
  return { status: code === "unauthorized" ? 401 : code === "forbidden" ? 403 : 400, code, message };
}

/** @param {Situation} s @returns {State} */
export function stateOf({ loading, refused, live, hadServer, count, filtered }) {
  if (refused && [401, 403].includes(refused.status)) return "barred";
  if (refused?.status === 0 || (hadServer && live === "waiting")) return "gone";
  if (refused) return "error";
  if (count) return "list";
  if (loading) return "loading";
  return filtered ? "nothing" : "empty";
}

/**
 * The banner's words; null where there is nothing to say.
 *
 * @param {Situation} s @param {() => void} retry
 * @returns {import("../elements/state-banner.js").State | null}
 */
export function bannerOf(s, retry) {
  const state = stateOf(s);
  const again = { text: t`Try now`, id: "retry", run: retry };
  if (state === "gone") {
    return {
      icon: "off",
      kind: "warning",
      title: s.hadServer ? t`The connection to the server is lost` : t`The server doesn't answer`,
      text: s.count
        ? t`What happened meanwhile is shown once it is back. This page goes on by itself.`
        : t`It may have been stopped, or the network is down. This page goes on by itself.`,
      retryAt: s.retryAt,
      actions: [again],
    };
  }
  if (state === "barred" && s.refused) {
    const signedOut = s.refused.status === 401;
    const { title, text, actions = [] } = refusal(signedOut ? "unauthorized" : "forbidden", s.refused.message);
    const why = signedOut ? text : t`Events are for those who may watch a stream. You signed in for something else.`;
    return { icon: "key", kind: "warning", title, text: why, actions };
  }
  if (state === "error" && s.refused) {
    const text = s.refused.message ? t`The server says: ${s.refused.message}.` : t`The cause is in the server's log.`;
    return { icon: "warning", kind: "error", title: t`The events can't be shown`, text, actions: [again] };
  }
  return null;
}

/** What the pill in the heading says. @param {Situation} s @returns {{text: string, kind: string}} */
export function pillOf(s) {
  const state = stateOf(s);
  if (state === "gone") return { text: t`Reconnecting`, kind: "warning" };
  if (state === "barred" || state === "error") return { text: t`Not live`, kind: "" };
  return s.live === "open" ? { text: t`Live`, kind: "good" } : { text: t`Connecting`, kind: "" };
}

/** Line under the list. @param {Situation} s @param {boolean} failed the older ones could not be had */
export function footOf(s, failed) {
  if (failed) return t`Older ones could not be loaded.`;
  if (!s.count) return "";
  if (s.more) return t`Older ones follow …`;
  return s.filtered ? t`Those are all with these filters.` : t`Nothing older is kept.`;
}
