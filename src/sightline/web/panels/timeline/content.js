/** What strips show: asked for anew with each span, and every few seconds where the span ends now. */

import { askEvents } from "../../wire/events.js";
import { askMarks, askSpans } from "../../wire/recordings.js";
import { bucketOf } from "./scale.js";

/**
 * @typedef {import("./scale.js").Span} Span
 * @typedef {import("./strip.js").Content} Content
 */

const SOON_MS = 120;
const MOST_EVENTS = 500;

export class Contents {
  /** Called when something has come. @type {() => void} */
  onchange = () => {};
  /** @type {Map<string, Content>} */
  #of = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  #asked = 0;
  /** @type {import("../../wire/replays.js").Outcome | null} */
  #again = null;

  /** @param {string} stream @returns {Content} */
  of(stream) {
    const again = this.#again?.stream === stream ? this.#again : null;
    return { ...(this.#of.get(stream) ?? { marks: null, gaps: [], events: [] }), again };
  }

  /** Show also what came of looking at a time again. @param {import("../../wire/replays.js").Outcome | null} outcome null for no longer */
  showAgain(outcome) {
    this.#again = outcome;
    this.onchange();
  }

  get all() {
    return [...this.#of.values()];
  }

  /** Ask for these streams in a moment, as somebody may still be dragging. @param {readonly string[]} streams @param {Span} span @param {string} kind of events, "" for all */
  want(streams, span, kind) {
    clearTimeout(this.#soon);
    this.#soon = setTimeout(() => void this.#ask(streams, span, kind), SOON_MS);
  }

  /** @param {readonly string[]} streams @param {Span} span @param {string} kind */
  async #ask(streams, span, kind) {
    const asked = (this.#asked += 1);
    for (const stream of streams) {
      const query = new URLSearchParams({ stream, since: `${Math.max(0, span.from - 600)}`, until: `${span.to}`, limit: `${MOST_EVENTS}` });
      if (kind) query.set("kind", kind);
      const [marks, spans, events] = await Promise.all([
        askMarks(stream, span.from, span.to, bucketOf(span)),
        askSpans(stream, span.from, span.to),
        askEvents(query),
      ]);
      if (asked !== this.#asked) return;
      const before = this.of(stream);
      this.#of.set(stream, {
        marks: marks.body ?? before.marks,
        gaps: spans.body?.gaps ?? before.gaps,
        events: events.body?.events ?? before.events,
      });
      this.onchange();
    }
  }
}

/** Times at which something is recorded of any of these, an hour each. @param {readonly string[]} streams @param {number} from @param {number} to */
export async function hoursWith(streams, from, to) {
  const found = await Promise.all(streams.map((stream) => askMarks(stream, from, to, 3_600)));
  return found.flatMap(({ body }) => {
    const { motion = [], from: first = from, bucket_s = 3_600 } = body ?? {};
    return motion.flatMap((one, n) => (one === null ? [] : [first + n * bucket_s + bucket_s / 2]));
  });
}
