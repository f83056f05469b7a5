/**
 * The service worker: it shows notifications, and a page of ours while the server is away. All else comes from the server
 * as ever.
 */

import { speak } from "../lib/i18n.js";
import { Away, isPage } from "./away.js";
import { Shower } from "./shower.js";

const worker = /** @type {any} */ (globalThis);
const away = new Away(worker.caches, (what, how) => fetch(what, how));
const shower = new Shower(worker.registration, worker.clients, undefined, async () => {
  const words = await away.words();
  if (words) speak(words);
});

worker.addEventListener("install", (/** @type {any} */ event) => {
  worker.skipWaiting();
  // Chromium has to ask this worker else, and then loses about a third of what pages send as they go.
  event.addRoutes?.({ condition: { requestMode: "cors" }, source: "network" });
  event.waitUntil(away.keep());
});
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(begin()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  if (isPage(event.request)) event.respondWith(away.answer(event));
});
worker.addEventListener("message", (/** @type {any} */ event) =>
  event.waitUntil(shower.told(event.data).finally(() => event.ports[0]?.postMessage("done"))),
);
worker.addEventListener("push", (/** @type {any} */ event) => event.waitUntil(shower.pushed(event.data.json())));
worker.addEventListener("notificationclick", (/** @type {any} */ event) =>
  event.waitUntil(shower.clicked(event.notification)),
);

/** Have pages asked for while this worker starts: it must not slow them down. */
async function begin() {
  await worker.registration.navigationPreload?.enable();
  await worker.clients.claim();
}
