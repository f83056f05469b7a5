/** The models of a server: what there is, and how it is got, sent, kept and removed. */

import { said, t } from "../lib/i18n.js";
import { askApi } from "./events.js";

/**
 * @typedef {{name: string, family: string, task: string, labels: string[], input_size: [number, number] | null,
 *   licence: string, licence_note: string, licence_url: string, source: string, description: string, size_bytes: number,
 *   active: boolean, usable: boolean, reason: string, gettable: number,
 *   getting: {done: number, total: number, error: string} | null, engines: string[], streams: string[],
 *   memory_bytes: number, removable: boolean}} Model
 * @typedef {{models: Model[], memory_bytes: number, largest_upload: number}} Models of `GET /api/models`
 * @typedef {{upload: string, name: string, family: string, task: string, labels: string[],
 *   input_size: [number, number] | null, licence: string, size_bytes: number}} Checked a file that was sent
 * @typedef {{checked: Checked, problem: null} | {checked: null, problem: Problem}} Sent one of both
 * @typedef {{message: string, families: string[]}} Problem `families`: those of which one has to be said
 */

const AWAY = t`The server doesn't answer.`;
const BROKE = t`The connection broke. Nothing was kept, and the file can be sent again.`;
/** A model may take a while to be removed, and what was checked to be moved. */
const PATIENCE_MS = 60_000;

export function askModels() {
  return /** @type {typeof askApi<Models>} */ (askApi)("/api/models");
}

/** @param {string} name */
const addressOf = (name, part = "") => `/api/models/${encodeURIComponent(name)}${part}`;

/** Have the server get a model's weights. @param {string} name @returns {Promise<string>} why not; "" where it began */
export function getModel(name) {
  return told(addressOf(name, "/weights"), "POST");
}

/** @param {string} name @returns {Promise<string>} why it goes on; "" where it was stopped */
export function cancelModel(name) {
  return told(addressOf(name, "/weights"), "DELETE");
}

/** @param {string} name @returns {Promise<string>} why it was not removed; "" where it was */
export function removeModel(name) {
  return told(addressOf(name), "DELETE");
}

/** @param {Checked} checked @param {string} name @returns {Promise<string>} why it was not kept; "" where it was */
export function keepModel({ upload }, name) {
  return told(`/api/models/upload/${upload}`, "POST", { name });
}

/** @param {Checked} checked */
export function discardModel({ upload }) {
  return told(`/api/models/upload/${upload}`, "DELETE");
}

/**
 * Send a file. `XMLHttpRequest` alone tells a page how much of it has gone.
 *
 * @param {File} file @param {string} family "" where it tells that itself
 * @param {(share: number) => void} onprogress from 0 to 1; 1 while it is checked
 * @returns {{sent: Promise<Sent>, stop: () => void}}
 */
export function sendModel(file, family, onprogress) {
  const request = new XMLHttpRequest();
  const query = new URLSearchParams({ name: file.name.slice(-300), ...(family && { family }) });
  request.open("POST", `/api/models/upload?${query}`);
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.upload.addEventListener("progress", ({ loaded, total }) => onprogress(total ? loaded / total : 0));
  request.upload.addEventListener("load", () => onprogress(1));
  /** @type {Promise<Sent>} */
  const sent = new Promise((resolve) => request.addEventListener("loadend", () => resolve(read(request))));
  request.send(file);
  return { sent, stop: () => request.abort() };
}

/** @param {XMLHttpRequest} request @returns {Sent} */
function read({ status, responseText }) {
  try {
    const body = JSON.parse(responseText);
    if (status === 200) return { checked: body, problem: null };
    const { message, key, expected = "" } = body.error;
    const families = key === "family" ? expected.split(" or ") : [];
    return { checked: null, problem: { message: said(message), families } };
  } catch {
    return { checked: null, problem: { message: BROKE, families: [] } };
  }
}

/** @param {string} path @param {string} method @param {object} [body] */
async function told(path, method, body) {
  const headers = { "Content-Type": "application/json" };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const request = { method, signal, ...(body && { headers, body: JSON.stringify(body) }) };
  const { refused } = await askApi(path, request);
  return refused ? refused.message || AWAY : "";
}
