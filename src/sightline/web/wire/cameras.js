/** Cameras that admins add, name, pause and remove. */

import { said, t } from "../lib/i18n.js";
import { askApi } from "./events.js";

/** @typedef {{name: string, kind: "onvif" | "rtsp", address: string, hardware: string}} Device that has answered */
/** @typedef {{name: string, width: number, height: number, encoding: string, fps: number, source: string}} Profile of one */
/** @typedef {{picture: Blob, problem: ""} | {picture: null, problem: string}} Trial one of both */

const TRY_MS = 8_000;
const JSON_BODY = { "Content-Type": "application/json" };
const AWAY = t`The server doesn't answer.`;

/** @param {{name: string, source: string}} camera @returns {Promise<string>} why it was not added; "" where it was */
export function addCamera({ name, source }) {
  return told("/api/streams", "POST", { source, ...(name && { name }) });
}

/**
 * @param {string} stream @param {{name?: string | null, paused?: boolean, group?: string | null, before?: string | null,
 *   source?: string}} change
 * @returns {Promise<string>} why nothing was changed; "" where it was
 */
export function changeCamera(stream, change) {
  return told(`/api/streams/${stream}`, "PATCH", change);
}

/** Look for cameras in the server's network. @returns {Promise<{devices: Device[], problem: string}>} */
export async function findCameras() {
  const ask = /** @type {typeof askApi<{devices: Device[]}>} */ (askApi);
  const { body, refused } = await ask("/api/sources/find", { method: "POST" });
  return { devices: body?.devices ?? [], problem: refused ? refused.message || AWAY : "" };
}

/**
 * The streams of a device, the best for models first.
 *
 * @param {string} address @param {string} user @param {string} password
 * @returns {Promise<{profiles: Profile[], problem: string}>}
 */
export async function deviceStreams(address, user, password) {
  const ask = /** @type {typeof askApi<{profiles: Profile[]}>} */ (askApi);
  const body = JSON.stringify({ address, user, password });
  const answer = await ask("/api/sources/profiles", { method: "POST", headers: JSON_BODY, body });
  const { refused } = answer;
  return { profiles: answer.body?.profiles ?? [], problem: refused ? refused.message || AWAY : "" };
}

/** @param {string} stream @returns {Promise<string>} why it was not removed; "" where it was */
export function removeCamera(stream) {
  return told(`/api/streams/${stream}`, "DELETE");
}

/** The first picture of an address, or why none comes. @param {string} source @returns {Promise<Trial>} */
export async function tryAddress(source) {
  try {
    const answer = await fetch("/api/sources/test", {
      method: "POST",
      headers: JSON_BODY,
      body: JSON.stringify({ source }),
      signal: AbortSignal.timeout(TRY_MS),
    });
    if (answer.ok) return { picture: await answer.blob(), problem: "" };
    return { picture: null, problem: said((await answer.json()).error.message) };
  } catch {
    return { picture: null, problem: AWAY };
  }
}

/**
 * The address of a camera with the user and the password in it, as the server takes it.
 *
 * @param {string} address @param {string} user @param {string} password
 */
export function sourceOf(address, user, password) {
  const whole = /^[a-z][a-z0-9+.-]*:/i.test(address) && !/^[^/]*:\d/.test(address) ? address : `rtsp://${address}`;
  if (!user && !password) return whole;
  const login = encodeURIComponent(user) + (password && `:${encodeURIComponent(password)}`);
  return whole.replace(/^([^/]*:\/\/)(?:[^/?#]*@)?/, `$1${login.replaceAll("$", "$$$$")}@`);
}

/** @param {string} path @param {string} method @param {object} [body] */
async function told(path, method, body) {
  const keepalive = true; // also when the page is about to go
  const request = body ? { method, keepalive, headers: JSON_BODY, body: JSON.stringify(body) } : { method, keepalive };
  const { refused } = await askApi(path, request);
  return refused ? refused.message || AWAY : "";
}
