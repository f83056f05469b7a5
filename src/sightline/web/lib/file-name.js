/** Names of files that a page saves. Pure. */

/** What no file system of a person's machine takes. */
const FORBIDDEN = /[\\/:*?"<>|\p{Cc}]+/gu;

/**
 * `door 2026-11-30 09-05-07.png`: the stream, and the person's own time.
 *
 * @param {string} stream its name, which may be any text @param {Date} at @param {string} ending
 */
export function fileName(stream, at, ending) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join("-");
  const safe = stream.replace(FORBIDDEN, "-").replace(/^[. ]+|[. ]+$/g, "").slice(0, 80) || "stream";
  return `${safe} ${day} ${time}.${ending}`;
}
