/** The switch "Notify me on this device", for one stream or for all. */

import { setText } from "../lib/dom.js";
import { ALL, choose, chosen, permission, wants } from "../notify/device.js";
import { Listener } from "../notify/listener.js";
import { subscribe, unsubscribe } from "../notify/push.js";
import { bodyOf, pageOf, showsIt, titleOf } from "../notify/words.js";
import { learnNames, nameOf } from "../wire/stream-names.js";
import { notifyWords } from "./notify-words.js";
import { byId } from "./page.js";
import { registerWorker } from "./shell.js";

/** Longest wait for the service worker, which may have to fetch a picture. */
const GIVE_UP_MS = 10_000;

/**
 * @param {string} stream "" for all @param {string} only the one that this browser may see; "" if it may see all
 * @param {AbortSignal} [signal] ends it
 */
export async function setUpControl(stream, only, signal) {
  if (!signal?.aborted) await new Control(stream || only || ALL, only, signal).apply();
}

class Control {
  #stream;
  #only;
  #listener;
  #box = byId("notify-on", HTMLInputElement);
  #about = byId("notify-about", HTMLElement);
  /** Why there is no Web Push; "" where there is, null while nobody knows. @type {string | null} */
  #why = null;
  /** @type {Promise<ServiceWorkerRegistration | null> | undefined} */
  #registered;

  /** @param {string} stream @param {string} only the one stream that this browser may see; "" if it may see all @param {AbortSignal} [signal] */
  constructor(stream, only, signal) {
    this.#stream = stream;
    this.#only = only;
    this.#listener = new Listener(only, wants, (event) => this.#show(event));
    this.#box.addEventListener("change", () => void this.#change(this.#box.checked));
    addEventListener("storage", ({ key }) => key === "sightline.notify" && void this.apply(), { signal });
    signal?.addEventListener("abort", () => this.#listener.stop());
  }

  /** Do and say what was chosen. */
  async apply() {
    const on = chosen().size > 0 && permission() === "allowed";
    if (on) this.#listener.start();
    else this.#listener.stop();
    this.#say();
    if (!on) return;
    const streams = this.#only ? [this.#only] : chosen().has(ALL) ? [ALL] : [...chosen()];
    this.#why = await subscribe((await this.#worker())?.pushManager, streams);
    this.#say();
  }

  /** @param {boolean} on */
  async #change(on) {
    const answer = on ? await Notification.requestPermission() : "granted"; // at once: browsers ask after clicks only
    if (answer === "granted") choose(this.#stream, on);
    if (!chosen().size) await unsubscribe((await this.#worker())?.pushManager);
    await this.apply();
  }

  #say() {
    const state = permission();
    const everywhere = this.#stream !== ALL && chosen().has(ALL);
    const on = wants(this.#stream);
    this.#box.checked = on && state === "allowed";
    this.#box.disabled = everywhere || !(state === "allowed" || state === "ask");
    setText(this.#about, notifyWords({ permission: state, on, everywhere, why: this.#why }));
  }

  /** The service worker; null where this browser has none for modules. */
  #worker() {
    this.#registered ??= register();
    return this.#registered;
  }

  /** @param {import("../notify/words.js").Alert} heard */
  async #show(heard) {
    const [worker] = await Promise.all([this.#worker(), learnNames()]);
    const event = { ...heard, display_name: nameOf(heard.stream) };
    if (worker?.active) await told(worker.active, event);
    else this.#showHere(event);
  }

  /** @param {import("../notify/words.js").Alert} event */
  #showHere(event) {
    if (document.visibilityState === "visible" && showsIt(event, location.pathname)) return;
    const shown = new Notification(titleOf(event), { body: bodyOf(event), tag: event.id });
    shown.addEventListener("click", () => {
      window.focus();
      location.assign(pageOf(event));
    });
  }
}

/**
 * Tell the service worker, and wait until it has done its part: what is said by a page that is closed may get lost.
 *
 * @param {ServiceWorker} worker @param {import("../notify/words.js").Alert} event @returns {Promise<void>}
 */
function told(worker, event) {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => resolve();
    setTimeout(resolve, GIVE_UP_MS);
    worker.postMessage(event, [port2]);
  });
}

async function register() {
  return (await registerWorker()) && navigator.serviceWorker.ready;
}
