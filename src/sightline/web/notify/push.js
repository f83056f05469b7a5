/** This browser's subscription with its push service, and the server's knowledge of it. */

import { said, t } from "../lib/i18n.js";
import { remember, remembered } from "../lib/storage.js";

const KEY = "push";
const GIVE_UP_MS = 10_000;
/** One is done after the other: who switches off while it is being switched on is not notified. @type {Promise<unknown>} */
let last = Promise.resolve();

/**
 * @typedef {{endpoint: string, toJSON: () => {keys?: Record<string, string>}, unsubscribe: () => Promise<boolean>,
 *   options?: {applicationServerKey: ArrayBuffer | null}}} Subscribed
 * @typedef {{getSubscription: () => Promise<Subscribed | null>,
 *   subscribe: (options: {userVisibleOnly: boolean, applicationServerKey: Uint8Array<ArrayBuffer>}) => Promise<Subscribed>}} Manager
 */

/**
 * Have this device notified by Web Push of these streams, also when no page is open. Returns "" if it is, else why not.
 *
 * @param {Manager | undefined} manager of the service worker's registration @param {string[]} streams
 */
export function subscribe(manager, streams) {
  return inTurn(() => begin(manager, streams));
}

/** Notify this device by Web Push no longer. @param {Manager | undefined} manager */
export function unsubscribe(manager) {
  return inTurn(() => end(manager));
}

/** @template T @param {() => Promise<T>} deed */
function inTurn(deed) {
  const done = last.then(deed);
  last = done.catch(() => {});
  return done;
}

/** @param {Manager | undefined} manager @param {string[]} streams */
async function begin(manager, streams) {
  if (!manager) return t`this browser has no Web Push`;
  const { key, reason } = await ask();
  if (!key) return said(reason);
  try {
    const subscribed = await subscribedWith(manager, fromBase64Url(key));
    const { keys } = subscribed.toJSON();
    const wanted = { endpoint: subscribed.endpoint, keys: { p256dh: keys?.["p256dh"], auth: keys?.["auth"] }, streams };
    const answer = await send("/api/push/devices", "POST", wanted);
    const told = await answer.json();
    if (!answer.ok) return told.error ? said(told.error.message) : t`the server refused (${answer.status})`;
    remember(KEY, told.id);
    return "";
  } catch {
    return t`the browser's push service can't be reached`;
  }
}

/** @param {Manager | undefined} manager */
async function end(manager) {
  const id = remembered(KEY, "");
  remember(KEY, "");
  await (await manager?.getSubscription())?.unsubscribe().catch(() => false);
  if (id) await send(`/api/push/devices/${id}`, "DELETE").catch(() => null);
}

/** The server's key, or why it sends no Web Push. @returns {Promise<{key: string | null, reason: string}>} */
async function ask() {
  try {
    const answer = await send("/api/push", "GET");
    if (answer.ok) return await answer.json();
  } catch {
    // It does not answer: it is asked again when the page is opened the next time.
  }
  return { key: null, reason: t`the server does not say` };
}

/** @param {string} path @param {string} method @param {object} [body] */
function send(path, method, body) {
  const headers = body && { "Content-Type": "application/json" };
  const signal = AbortSignal.timeout(GIVE_UP_MS);
  return fetch(path, { method, cache: "no-store", signal, ...(body && { headers, body: JSON.stringify(body) }) });
}

/** The subscription for this server's key: one for another key is of no use. @param {Manager} manager @param {Uint8Array<ArrayBuffer>} key */
async function subscribedWith(manager, key) {
  const before = await manager.getSubscription();
  const known = before?.options?.applicationServerKey;
  if (before && known && isSame(new Uint8Array(known), key)) return before;
  await before?.unsubscribe();
  return manager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
}

/** @param {Uint8Array} one @param {Uint8Array} other */
function isSame(one, other) {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** @param {string} text */
function fromBase64Url(text) {
  const letters = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
}
