/** What the server says of one stream: its counts and its model's settings, asked time and again while it matters. */

const EVERY_MS = 2_000;
const NOT_YET_MS = 250;
const GIVE_UP_MS = 5_000;
const GONE = 404;

/** @typedef {import("../panels/cards.js").StreamStats & import("../panels/model-settings.js").Detail} Stats */

/**
 * @param {string} stream
 * @param {() => boolean} matters
 * @param {(stats: Stats | null, askedAt: number) => void} then null: there is no such stream
 * @param {() => number} every milliseconds
 * @returns {() => void} ask now
 */
export function followFigures(stream, matters, then, every = () => EVERY_MS) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const round = async () => {
    clearTimeout(timer);
    timer = setTimeout(round, matters() ? every() : NOT_YET_MS); // whatever becomes of this one
    if (!matters() || document.hidden) return;
    const askedAt = performance.now();
    try {
      const signal = AbortSignal.timeout(GIVE_UP_MS);
      const response = await fetch(`/api/streams/${stream}`, { signal, cache: "no-store" });
      if (response.ok) then(await response.json(), askedAt);
      else if (response.status === GONE) then(null, askedAt);
    } catch {
      // The socket's state tells the person already.
    }
  };
  void round();
  return () => void round();
}
