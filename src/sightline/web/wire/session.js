/** Who this browser is to the server, and what it may do there. */

/**
 * @typedef {{tokens: boolean, role: "view" | "publish" | "admin" | null, stream: string | null,
 *   allowed_origins: string[]}} Session of
 *   `GET /api/session`; without `tokens` everybody may do everything
 */

const EVERY_STREAM = "*";

/** @type {Promise<Session | null> | undefined} */
let asked;

/** The session of this page, asked for once. Null where the server does not answer. */
export function whoAmI() {
  asked ??= ask();
  return asked;
}

/** @returns {Promise<Session | null>} */
async function ask() {
  const answering = fetch("/api/session", { cache: "no-store" }).then((answer) => (answer.ok ? answer.json() : null));
  const session = await answering.catch(() => null);
  if (!session) asked = undefined; // the next one who wants to know asks again
  return session;
}

/** The header by which a page without our cookie says who it is. @param {string} token "" for none @returns {Record<string, string>} */
export function bearer(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/**
 * Whether somebody may view or publish a stream, or manage it. True where nobody knows: the server has the last word.
 *
 * @param {Session | null} session @param {"view" | "publish" | "admin"} what @param {string} stream "" for all
 */
export function may(session, what, stream) {
  if (!session?.tokens) return true;
  const { role } = session;
  return (role === "admin" || role === what) && (session.stream === EVERY_STREAM || session.stream === stream);
}
