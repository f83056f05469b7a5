/** Sentences of the models page for each situation. Pure, so that each can be tested. */

import { t } from "../lib/i18n.js";
import { refusal } from "../panels/words.js";

/**
 * The banner's words; null where there is nothing to say.
 *
 * @param {import("../wire/events.js").Refused | null} refused why the list could not be had
 * @param {boolean} hadList whether an earlier one is on the page @param {() => void} retry
 * @returns {import("../elements/state-banner.js").State | null}
 */
export function bannerOf(refused, hadList, retry) {
  if (!refused) return null;
  const actions = [{ text: t`Try now`, id: "retry", run: retry }];
  if (refused.status === 401 || refused.status === 403) {
    const { title, text, actions: ways = [] } = refusal(refused.status === 401 ? "unauthorized" : "forbidden", refused.message);
    return { icon: "key", kind: "warning", title, ...(text && { text }), actions: ways };
  }
  if (refused.status) {
    const text = refused.message ? t`The server says: ${refused.message}.` : t`The cause is in the server's log.`;
    return { icon: "warning", kind: "error", title: t`The models can't be shown`, text, actions };
  }
  const text = hadList ? t`The list is as it was before. ` : t`It may have been stopped, or the network is down. `;
  return { icon: "off", kind: "warning", title: t`The server doesn't answer`, text: t`${text}This page goes on by itself.`, actions };
}

/** What somebody may do here; "" where it is everything. @param {boolean} manages */
export function rightInWords(manages) {
  return manages ? "" : t`You may see what is here. To get, send or remove models you need the right to manage this server.`;
}
