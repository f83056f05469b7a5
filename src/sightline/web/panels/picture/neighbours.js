/** The streams beside this one. */

/**
 * The live stream after or before this one, as they are arranged and around the end; "" if there is no other.
 *
 * @param {readonly {name: string, state: string}[]} streams @param {string} stream @param {1 | -1} by
 */
export function neighbour(streams, stream, by) {
  const names = streams.filter(({ name, state }) => state === "live" || name === stream).map(({ name }) => name);
  if (!names.includes(stream)) names.push(stream);
  const next = names[(names.indexOf(stream) + by + names.length) % names.length] ?? "";
  return next === stream ? "" : next;
}

/**
 * As `neighbour`, of the server's streams; null where it does not answer.
 *
 * @param {string} stream @param {1 | -1} by
 * @returns {Promise<string | null>}
 */
export async function following(stream, by) {
  try {
    const answer = await fetch("/api/streams", { cache: "no-store", signal: AbortSignal.timeout(5_000) });
    if (!answer.ok) return null;
    return neighbour((await answer.json()).streams, stream, by);
  } catch {
    return null;
  }
}
