/** Shows notifications, once for each event however often it comes: from a page, and by Web Push. */

import { bodyOf, pageOf, pictureOf, showsIt, titleOf } from "./words.js";

/** @typedef {import("./words.js").Alert} Alert */
/**
 * @typedef {{tag: string, data?: any, close: () => void}} Shown
 * @typedef {{url: string, visibilityState: string, focus: () => Promise<any>, navigate: (url: string) => Promise<any>}}
 *   Window
 * @typedef {{
 *   showNotification: (title: string, options: object) => Promise<void>,
 *   getNotifications: (filter: {tag: string}) => Promise<Shown[]>,
 *   pushManager?: {getSubscription: () => Promise<{endpoint: string} | null>},
 * }} Registration
 * @typedef {{matchAll: (options: object) => Promise<readonly Window[]>, openWindow: (url: string) => Promise<any>}} Windows
 */

const REMEMBERED = 200;
/** Longest wait for the picture: away from home the server may not be reached. */
const PICTURE_MS = 3_000;
const ICON = "/static/icons/icon-192.png";
/** Apple ends subscriptions whose messages show nothing. */
const STRICT = /^https:\/\/[^/]*\bpush\.apple\.com\//;

export class Shower {
  #registration;
  #windows;
  #picture;
  #speak;
  /** Ids of events that were shown, or were on the screen. @type {Set<string>} */
  #seen = new Set();

  /**
   * @param {Registration} registration of the service worker @param {Windows} windows of this origin
   * @param {(path: string) => Promise<string>} picture what makes a `data:` address of a picture
   * @param {() => Promise<void>} speak takes the language in which notifications are
   */
  constructor(registration, windows, picture = dataUrl, speak = async () => {}) {
    this.#registration = registration;
    this.#windows = windows;
    this.#picture = picture;
    this.#speak = speak;
  }

  /** A page has heard of an event. @param {Alert} event */
  async told(event) {
    if (!this.#isNew(event.id) || (await this.#onScreen(event))) return;
    await this.#show(event);
  }

  /** A push service has brought an event. @param {Alert} event */
  async pushed(event) {
    const subscription = await this.#registration.pushManager?.getSubscription();
    const must = STRICT.test(subscription?.endpoint ?? "");
    const isNew = this.#isNew(event.id);
    if (!must && (!isNew || (await this.#onScreen(event)))) return;
    await this.#show(event, !isNew);
  }

  /** Somebody has clicked: show the event's page. @param {Shown} notification */
  async clicked(notification) {
    notification.close();
    const url = notification.data?.url ?? "/events";
    const windows = await this.#all();
    const there = windows.find((one) => pathOf(one.url) === "/events");
    try {
      if (!there) throw new Error("no such page is open");
      await there.navigate(url);
      await there.focus();
    } catch {
      await this.#windows.openWindow(url);
    }
  }

  /** Remember an event; false if it was known. @param {string} id */
  #isNew(id) {
    if (this.#seen.has(id)) return false;
    this.#seen.add(id);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(/** @type {string} */ (this.#seen.values().next().value));
    return true;
  }

  /** @param {Alert} event */
  async #onScreen(event) {
    const windows = await this.#all();
    return windows.some((one) => one.visibilityState === "visible" && showsIt(event, pathOf(one.url)));
  }

  #all() {
    return this.#windows.matchAll({ type: "window", includeUncontrolled: true });
  }

  /** One of the same tag takes the place of the last. @param {Alert} event @param {boolean} silent */
  async #show(event, silent = false) {
    const [image] = await Promise.all([this.#imageOf(event), this.#speak().catch(() => {})]);
    await this.#registration.showNotification(titleOf(event), {
      body: bodyOf(event),
      tag: event.id,
      icon: image || ICON,
      timestamp: event.at * 1000,
      data: { url: pageOf(event) },
      silent,
      ...(image && { image }),
    });
  }

  /** @param {Alert} event */
  async #imageOf(event) {
    const path = pictureOf(event);
    return path && this.#picture(path).catch(() => "");
  }
}

/** @param {string} url */
function pathOf(url) {
  return new URL(url).pathname;
}

/** A picture of the server's, fetched as whoever signed in here. @param {string} path @returns {Promise<string>} */
async function dataUrl(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(PICTURE_MS) });
  if (!answer.ok) throw new Error(`${answer.status}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return `data:${answer.headers.get("content-type") ?? "image/jpeg"};base64,${btoa(letters)}`;
}
