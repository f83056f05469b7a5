/**
 * The service worker: it shows notifications, and does nothing else. It has no `fetch`, so pages come from the server as
 * ever.
 */

import { Shower } from "./shower.js";

const worker = /** @type {any} */ (globalThis);
const shower = new Shower(worker.registration, worker.clients);

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("message", (/** @type {any} */ event) =>
  event.waitUntil(shower.told(event.data).finally(() => event.ports[0]?.postMessage("done"))),
);
worker.addEventListener("push", (/** @type {any} */ event) => event.waitUntil(shower.pushed(event.data.json())));
worker.addEventListener("notificationclick", (/** @type {any} */ event) =>
  event.waitUntil(shower.clicked(event.notification)),
);
