/** Words of an embedded viewer for each situation. Pure, so that each can be tested. */

import { t } from "../lib/i18n.js";
import { viewWords } from "./view-state.js";

/** What a page, or whoever made it, can do about a refusal. @type {Record<string, string>} */
const REFUSED = {
  unauthorized: t`This picture needs a token: there is none, or it has expired or was revoked.`,
  forbidden: t`This token is for something else than viewing this stream.`,
};

/**
 * Words for a status; empty while pictures come.
 *
 * @param {import("../elements/viewer-session.js").Status} status @param {string} stream
 * @param {string} server its origin @param {string} page the origin of the page around it
 */
export function embedWords(status, stream, server, page) {
  const { state, phase, refused, hadServer, hadPicture } = status;
  if (phase !== "open" && refused && REFUSED[refused.code]) return REFUSED[refused.code] ?? "";
  if (state === "reconnecting" && !refused && !hadServer && server !== page) {
    return t`${server} doesn't answer. It may be off, or ${page} is not one of its allowed_origins.`;
  }
  const { banner, pill } = viewWords(status, stream, false);
  if (banner) return [banner.title, banner.text].filter(Boolean).join(". ");
  return state === "live" && hadPicture ? "" : `${pill} …`;
}
