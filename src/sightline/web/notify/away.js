/**
 * What the service worker shows in place of a page while the server is away: one page that says so and comes back by
 * itself. That and the words of notifications is all that is kept. Pages and their files come from the server, so none is older than the server.
 */

const CACHE = "away";
const PAGE = "/away";
/** The words of the language that this person reads. Notifications come without a page, and where the server is not reached. */
const WORDS = "/language.json";

/**
 * @typedef {{open: (name: string) => Promise<{put: (path: string, answer: Response) => Promise<void>,
 *   match: (path: string) => Promise<Response | undefined>}>}} Caches
 * @typedef {{request: Request, preloadResponse?: Promise<Response | undefined>, waitUntil: (work: Promise<unknown>) => void}} Asked
 */

export class Away {
  #caches;
  #ask;
  /** Whether the page was fetched since this worker runs. */
  #fresh = false;

  /** @param {Caches} caches @param {(what: Request | string, how?: RequestInit) => Promise<Response>} ask */
  constructor(caches, ask) {
    this.#caches = caches;
    this.#ask = ask;
  }

  /** Keep the page and the words as the server has them today. */
  async keep() {
    try {
      for (const path of [PAGE, WORDS]) {
        const answer = await this.#ask(path, { cache: "no-cache" });
        if (!answer.ok) return;
        await (await this.#caches.open(CACHE)).put(path, answer);
      }
      this.#fresh = true;
    } catch {
      // The one that was kept before will do.
    }
  }

  /** The page that somebody wants to see, or ours in its place. @param {Asked} event @returns {Promise<Response>} */
  async answer(event) {
    try {
      const answer = (await event.preloadResponse) ?? (await this.#ask(event.request));
      if (!isAway(answer.status)) {
        if (!this.#fresh) event.waitUntil(this.keep());
        return answer;
      }
      return (await this.#kept(PAGE)) ?? answer;
    } catch (error) {
      const kept = await this.#kept(PAGE);
      if (kept) return kept;
      throw error;
    }
  }

  /** The words that were kept, for `speak`; null where there are none. */
  async words() {
    return (await (await this.#kept(WORDS))?.json()) ?? null;
  }

  /** @param {string} path */
  async #kept(path) {
    return (await this.#caches.open(CACHE)).match(path);
  }
}

/** Whether a page was asked for, by somebody who sees it: not a file, a picture, data, or a frame of another page. @param {Request} request */
export function isPage(request) {
  return request.mode === "navigate" && request.destination === "document" && request.method === "GET";
}

/** What proxies and tunnels say whose server does not answer. @param {number} status */
function isAway(status) {
  return status === 502 || status === 504 || (status >= 520 && status <= 530);
}
