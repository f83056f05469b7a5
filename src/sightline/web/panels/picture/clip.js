/** One click keeps what was just seen, and what follows. */

import { t } from "../../lib/i18n.js";
import { saveClip } from "../../wire/recordings.js";
import { notice } from "../notice.js";

/** @param {string} stream */
export async function saveClipOf(stream) {
  const { body, refused } = await saveClip(stream);
  if (refused) return notice(t`No clip was saved: ${refused.message || t`the server does not answer`}.`);
  notice(clipInWords(body), { text: t`Show the clip`, href: body.page });
}

/** @param {{from: number, to: number, before_s: number}} clip */
export function clipInWords({ from, to, before_s }) {
  const after = Math.round(to - from - before_s);
  if (!before_s) return t`Clip saved: the next ${after} s, as nothing was recorded before.`;
  return t`Clip saved: the last ${Math.round(before_s)} s and the next ${after} s.`;
}
