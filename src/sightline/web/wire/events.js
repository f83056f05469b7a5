/** What happened in streams: what the server has stored of it, and what it tells live. */

import { said } from "../lib/i18n.js";
import { LiveSocket } from "./socket.js";

/**
 * @typedef {import("./messages.js").Box} Box
 * @typedef {{id: string, stream: string, kind: string, class_name: string, zone: string, rule: string,
 *   direction: "in" | "out" | "", track: number | null, box: Box | null, started_at: number, ended_at: number | null,
 *   seconds: number | null, speed: [number, number, number] | null, reason: string, start_seq: number,
 *   end_seq: number | null, snapshot: string}} Happening of `GET /api/events`; times are seconds since 1970
 * @typedef {import("./messages.js").EventMessage} EventMessage
 * @typedef {{status: number, code: string, message: string}} Refused `status` 0: the server does not answer
 */

const GIVE_UP_MS = 10_000;

/**
 * Ask the API. Exactly one of both is there: the answer's body, or why there is none.
 *
 * @template T
 * @param {string} path @param {RequestInit} request
 * @returns {Promise<{body: T, refused: null} | {body: null, refused: Refused & {key: string, expected: string}}>}
 */
export async function askApi(path, request = {}) {
  const none = { status: 0, code: "", message: "", key: "", expected: "" };
  try {
    const signal = AbortSignal.timeout(GIVE_UP_MS);
    const answer = await fetch(path, { cache: "no-store", signal, ...request });
    if (answer.status === 204) return { body: /** @type {T} */ (null), refused: null };
    const body = await answer.json();
    if (answer.ok) return { body, refused: null };
    return { body: null, refused: { ...none, ...body?.error, message: said(body?.error?.message ?? ""), status: answer.status } };
  } catch {
    return { body: null, refused: none };
  }
}

/** @param {URLSearchParams} query */
export function askEvents(query) {
  return /** @type {typeof askApi<{events: Happening[], next: string | null}>} */ (askApi)(`/api/events?${query}`);
}

/** Address of a happening, and of what belongs to it. @param {string} id @param {string} part such as `/crop.jpg` */
export function addressOf(id, part = "") {
  return `/api/events/${encodeURIComponent(id)}${part}`;
}

/** @param {string} id */
export function askEvent(id) {
  return /** @type {typeof askApi<Happening>} */ (askApi)(addressOf(id));
}

/** Whether a happening was recorded. @param {string} id */
export function askClip(id) {
  return /** @type {typeof askApi<{from: number, to: number, file: string | null}>} */ (askApi)(addressOf(id, "/clip"));
}

/** @param {string} id */
export function deleteEvent(id) {
  return askApi(addressOf(id), { method: "DELETE" });
}

/**
 * What a message says of a happening, added to what was known of it.
 *
 * @param {EventMessage} message @param {Happening | undefined} known
 * @returns {Happening}
 */
export function told(message, known) {
  const { id, stream, kind, at, seq, phase } = message;
  /** @type {Happening} */
  const before = known ?? {
    ...{ id, stream, kind, class_name: "", zone: "", rule: "", direction: "", track: null, box: null },
    ...{ started_at: at, ended_at: null, seconds: null, speed: null, reason: "", start_seq: seq, end_seq: null },
    snapshot: "",
  };
  const { class_name, zone, rule, direction, track, box, speed, reason, snapshot } = message;
  const said = { class_name, zone, rule, direction, track, box, speed, reason, snapshot };
  const now = { ...before, ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) };
  if (phase !== "end") return now;
  const seconds = message.seconds ?? Math.max(0, at - before.started_at);
  return { ...now, box: before.box ?? now.box, ended_at: at, end_seq: seq, seconds }; // the box stays the picture's
}

/**
 * Events as they come, also after the connection was lost: none is left out, and none is told twice.
 *
 * @param {string} stream "" for all
 * @param {(message: EventMessage) => void} onevent
 * @param {(phase: import("./socket.js").Phase, retryAt: number) => void} onphase
 * @returns {LiveSocket}
 */
export function followEvents(stream, onevent, onphase) {
  let last = 0;
  const path = () => {
    const query = new URLSearchParams({ events: "1", ...(stream && { stream }), ...(last && { after: String(last) }) });
    return `/ws?${query}`;
  };
  return new LiveSocket(path, {
    onphase,
    onmessage: (message) => {
      if (message.type !== "event") return;
      last = message.number || last; // not the greatest: a server that keeps none on a disk begins anew
      onevent(message);
    },
  });
}
