/** What the server counts of one stream, asked every two seconds while it matters. */

const EVERY_MS = 2_000;
const GIVE_UP_MS = 5_000;

/**
 * @param {string} stream
 * @param {() => boolean} matters
 * @param {(stats: import("./cards.js").StreamStats) => void} then
 */
export async function followFigures(stream, matters, then) {
  for (;;) {
    if (matters() && !document.hidden) {
      try {
        const response = await fetch(`/api/streams/${stream}`, {
          signal: AbortSignal.timeout(GIVE_UP_MS),
          cache: "no-store",
        });
        if (response.ok) then(await response.json());
      } catch {
        // The socket's state tells the person already.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}
