/** The event before or after a moment, of a kind. */

import { askEvents } from "../../wire/events.js";

const CLOSE_S = 0.5;
const LOOK = 200;
/** Seconds before an event at which one begins to look. */
export const LEAD_S = 1;

/** @typedef {import("../../wire/events.js").Happening} Happening */

/**
 * @param {string} stream "" for all @param {string} kind "" for all @param {number} at @param {1 | -1} way
 * @returns {Promise<Happening | null | undefined>} null where there is none, undefined where the server does not say
 */
export async function eventBeside(stream, kind, at, way) {
  const query = new URLSearchParams({ ...(stream && { stream }), ...(kind && { kind }) });
  if (way < 0) {
    query.set("until", String(Math.max(0, at - CLOSE_S)));
    query.set("limit", "1");
    const { body } = await askEvents(query);
    return body ? (body.events[0] ?? null) : undefined;
  }
  return next(query, at + CLOSE_S);
}

/**
 * The first event after a moment. The server tells the newest first, so one looks at spans that grow, then at its pages.
 *
 * @param {URLSearchParams} query @param {number} at
 */
async function next(query, at) {
  const now = Date.now() / 1000 + 60;
  query.set("since", String(at));
  query.set("limit", String(LOOK));
  for (let length = 600; ; length *= 6) {
    const until = Math.min(now, at + length);
    query.set("until", String(until));
    const oldest = await oldestOf(query);
    if (oldest !== null || until >= now) return oldest;
  }
}

/** The oldest of all that a query finds; undefined where the server does not say. @param {URLSearchParams} query */
async function oldestOf(query) {
  const asked = new URLSearchParams(query);
  /** @type {Happening | null} */
  let oldest = null;
  for (;;) {
    const { body } = await askEvents(asked);
    if (!body) return undefined;
    oldest = body.events.at(-1) ?? oldest;
    if (!body.next) return oldest;
    asked.set("before", body.next);
  }
}
