/** One click keeps what was just seen, and what follows. */

import { saveClip } from "../../wire/recordings.js";
import { notice } from "../notice.js";

/** @param {string} stream */
export async function saveClipOf(stream) {
  const { body, refused } = await saveClip(stream);
  if (refused) return notice(`No clip was saved: ${refused.message || "the server does not answer"}.`);
  notice(clipInWords(body), { text: "Show the clip", href: body.page });
}

/** @param {{from: number, to: number, before_s: number}} clip */
export function clipInWords({ from, to, before_s }) {
  const after = Math.round(to - from - before_s);
  if (!before_s) return `Clip saved: the next ${after} s, as nothing was recorded before.`;
  return `Clip saved: the last ${Math.round(before_s)} s and the next ${after} s.`;
}
