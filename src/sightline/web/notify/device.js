/** What this device allows, and of which streams it wants to hear. */

import { remember, remembered } from "../lib/storage.js";

const KEY = "notify";
/** Stands for all streams. */
export const ALL = "*";

/**
 * @typedef {"insecure" | "install" | "unsupported" | "ask" | "refused" | "allowed"} Permission `install`: only for pages on
 *   the Home Screen
 */

/**
 * Whether this device shows notifications, or why it does not.
 *
 * @param {{secure: boolean, notification: {permission: string} | undefined, agent: string, touches: number}} browser
 * @returns {Permission}
 */
export function permissionOf({ secure, notification, agent, touches }) {
  if (!secure) return "insecure";
  if (!notification) {
    const ios = /iPhone|iPad|iPod/.test(agent) || (agent.includes("Macintosh") && touches > 1);
    return ios ? "install" : "unsupported";
  }
  if (notification.permission === "granted") return "allowed";
  return notification.permission === "denied" ? "refused" : "ask";
}

/** What this browser says. */
export function permission() {
  return permissionOf({
    secure: globalThis.isSecureContext,
    notification: globalThis.Notification,
    agent: navigator.userAgent,
    touches: navigator.maxTouchPoints,
  });
}

/** Streams of which this device wants to hear. @returns {Set<string>} */
export function chosen() {
  try {
    const kept = JSON.parse(remembered(KEY, "[]"));
    return new Set(Array.isArray(kept) ? kept.filter((one) => typeof one === "string") : []);
  } catch {
    return new Set();
  }
}

/** Choose a stream, or no longer. @param {string} stream @param {boolean} on */
export function choose(stream, on) {
  const all = chosen();
  if (on) all.add(stream);
  else all.delete(stream);
  remember(KEY, JSON.stringify([...all]));
}

/** True if this device wants to hear of a stream. @param {string} stream */
export function wants(stream) {
  const all = chosen();
  return all.has(ALL) || all.has(stream);
}
