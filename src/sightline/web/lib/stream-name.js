/** Names of streams, as addresses have them. */

/** @param {string} name */
export function isStreamName(name) {
  return /^[A-Za-z0-9_-]{1,64}$/.test(name);
}

/** Name of the stream in a page's path. @param {string} path such as /camera/webcam */
export function streamOf(path) {
  return decodeURIComponent(path.split("/")[2] ?? "");
}

/**
 * A name that no stream has yet, such as webcam, webcam-2 or webcam-3.
 *
 * @param {Iterable<string>} taken
 */
export function freeName(taken, base = "webcam") {
  const names = new Set(taken);
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!names.has(name)) return name;
  }
}
