/** Notifications: their words, once for each event, one page that listens, and subscriptions with the push service. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { permissionOf } from "../../../src/sightline/web/notify/device.js";
import { subscribe, unsubscribe } from "../../../src/sightline/web/notify/push.js";
import { Shower } from "../../../src/sightline/web/notify/shower.js";
import { bodyOf, isAlert, pageOf, pictureOf, showsIt, titleOf } from "../../../src/sightline/web/notify/words.js";
import { notifyWords } from "../../../src/sightline/web/panels/notify-words.js";

const event = {
  ...{ id: "e1", stream: "door", kind: "rule", phase: "start", at: 1_700_000_000, rule: "Somebody in the drive" },
  ...{ class_name: "person", zone: "drive", actions: ["notify"], snapshot: "/api/events/e1/picture.jpg" },
};

test("a notification says what was seen, where and when", () => {
  assert.equal(titleOf(event), "Somebody in the drive");
  assert.equal(bodyOf(event, "en-GB", "UTC"), "person in drive · door · 22:13:20");
  assert.equal(bodyOf({ ...event, direction: "in", zone: "gate" }, "en-GB", "UTC"), "person over gate, in · door · 22:13:20");
  assert.equal(bodyOf({ ...event, zone: "" }, "en-GB", "UTC"), "person · door · 22:13:20");
  assert.equal(bodyOf({ ...event, zone: "", class_name: "", rule: "" }, "en-GB", "UTC"), "22:13:20");
  const named = { ...event, display_name: "Front door" };
  assert.equal(bodyOf(named, "en-GB", "UTC"), "person in drive · Front door · 22:13:20");
  assert.equal(titleOf({ ...named, rule: "" }), "Front door");
  assert.equal(pictureOf(event), "/api/events/e1/crop.jpg");
  assert.equal(pictureOf({ ...event, snapshot: undefined }), "");
  assert.equal(pageOf({ ...event, id: "a/b" }), "/events?event=a%2Fb");
});

test("only the start of what a rule tells people is told", () => {
  assert.ok(isAlert(event));
  assert.ok(!isAlert({ ...event, phase: "end" }));
  assert.ok(!isAlert({ ...event, actions: ["webhook"] }));
  assert.ok(!isAlert({ ...event, actions: undefined }));
});

test("the pages that show an event are its stream's viewer and the events page", () => {
  assert.ok(showsIt(event, "/view/door"));
  assert.ok(showsIt(event, "/events"));
  assert.ok(!showsIt(event, "/view/hall"));
  assert.ok(!showsIt(event, "/"));
});

function world({ windows = [], endpoint = "", picture = async (path) => `data:${path}` } = {}) {
  const shown = [];
  const opened = [];
  const registration = {
    showNotification: async (title, options) => {
      shown.push({ title, ...options });
    },
    getNotifications: async () => [],
    pushManager: { getSubscription: async () => endpoint && { endpoint } },
  };
  const clients = { matchAll: async () => windows, openWindow: async (url) => opened.push(url) };
  return { shown, opened, shower: new Shower(registration, clients, picture) };
}

const page = (path, visibilityState = "visible") => ({ url: `https://cam.example${path}`, visibilityState });

test("an event is shown once, however many pages and push messages bring it", async () => {
  const { shown, shower } = world({ windows: [page("/"), page("/view/hall"), page("/view/door", "hidden")] });
  await Promise.all([shower.told(event), shower.told(event), shower.pushed(event)]);
  await shower.told({ ...event, id: "e2" });
  assert.deepEqual(shown.map(({ tag }) => tag), ["e1", "e2"]);
  assert.deepEqual(shown[0].image, "data:/api/events/e1/crop.jpg");
  assert.deepEqual(shown[0].data, { url: "/events?event=e1" });
});

test("what somebody sees anyway is not shown, and not later either", async () => {
  const { shown, shower } = world({ windows: [page("/view/door")] });
  await shower.told(event);
  await shower.pushed(event);
  await shower.told({ ...event, id: "e2", stream: "hall" });
  assert.deepEqual(shown.map(({ tag }) => tag), ["e2"]);
});

test("Apple's messages always show something, silently where it is no news", async () => {
  const { shown, shower } = world({ windows: [page("/view/door")], endpoint: "https://web.push.apple.com/x" });
  await shower.pushed(event);
  await shower.pushed(event);
  assert.deepEqual(shown.map(({ tag, silent }) => [tag, silent]), [["e1", false], ["e1", true]]);
});

test("a picture that can't be had holds no notification up", async () => {
  const { shown, shower } = world({
    picture: async () => {
      throw new Error("away from home");
    },
  });
  await shower.told(event);
  assert.ok(!("image" in shown[0]));
});

test("a click shows the event, in the events page where one is open", async () => {
  const went = [];
  const there = { ...page("/events"), navigate: async (url) => went.push(url), focus: async () => went.push("focus") };
  const notification = { tag: "e1", data: { url: "/events?event=e1" }, close: () => went.push("closed") };
  await world({ windows: [page("/"), there] }).shower.clicked(notification);
  assert.deepEqual(went, ["closed", "/events?event=e1", "focus"]);
  const none = world();
  await none.shower.clicked(notification);
  assert.deepEqual(none.opened, ["/events?event=e1"]);
  const refusing = world({ windows: [{ ...there, navigate: () => Promise.reject(new TypeError("not controlled")) }] });
  await refusing.shower.clicked(notification);
  assert.deepEqual(refusing.opened, ["/events?event=e1"]);
});

test("each reason why a device shows none is told, with what to do", () => {
  const browser = { secure: true, notification: { permission: "default" }, agent: "Firefox", touches: 0 };
  const none = { ...browser, notification: undefined };
  const found = {
    ask: permissionOf(browser),
    allowed: permissionOf({ ...browser, notification: { permission: "granted" } }),
    refused: permissionOf({ ...browser, notification: { permission: "denied" } }),
    insecure: permissionOf({ ...none, secure: false }),
    install: permissionOf({ ...none, agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)" }),
    unsupported: permissionOf(none),
  };
  assert.deepEqual(found, Object.fromEntries(Object.keys(found).map((name) => [name, name])));
  assert.equal(permissionOf({ ...none, agent: "Macintosh; Intel", touches: 5 }), "install");
  const say = (state) => notifyWords({ permission: "allowed", on: true, everywhere: false, why: "", ...state });
  assert.match(say({ permission: "refused" }), /settings beside the address/);
  assert.match(say({ permission: "insecure" }), /https/);
  assert.match(say({ permission: "install" }), /Home Screen/);
  assert.match(say({ on: false }), /rule with “notify”/);
  assert.match(say({}), /Also when no page is open/);
  assert.match(say({ why: "pywebpush is not installed" }), /Only while a page .* pywebpush/);
  assert.match(say({ everywhere: true }), /all streams/);
});

/** A server and a push service, as the page sees them. */
function pushWorld({ key = "AQID", before = null, refuse = null } = {}) {
  const asked = [];
  const kept = new Map();
  globalThis.localStorage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  globalThis.fetch = async (path, { method, body }) => {
    asked.push([method, path, body && JSON.parse(body)]);
    if (path === "/api/push") return Response.json({ key, reason: key ? "" : "pywebpush is not installed" });
    if (refuse) return Response.json({ error: { message: refuse } }, { status: 429 });
    return method === "DELETE" ? new Response(null, { status: 204 }) : Response.json({ id: "d1", streams: ["door"] });
  };
  let current = before;
  const manager = {
    getSubscription: async () => current,
    subscribe: async ({ applicationServerKey }) => (current = subscribed([...applicationServerKey])),
  };
  const subscribed = (bytes) => ({
    endpoint: `https://push.example/${bytes}`,
    options: { applicationServerKey: Uint8Array.from(bytes).buffer },
    toJSON: () => ({ keys: { p256dh: "p", auth: "a" } }),
    unsubscribe: async () => !(current = null),
  });
  return { asked, manager, subscribed, set: (one) => (current = one), current: () => current };
}

test("a device subscribes for the server's key, and leaves again", async () => {
  const { asked, manager, current } = pushWorld();
  assert.equal(await subscribe(manager, ["door"]), "");
  const wanted = { endpoint: "https://push.example/1,2,3", keys: { p256dh: "p", auth: "a" }, streams: ["door"] };
  assert.deepEqual(asked, [["GET", "/api/push", undefined], ["POST", "/api/push/devices", wanted]]);
  await unsubscribe(manager);
  assert.deepEqual(asked.at(-1).slice(0, 2), ["DELETE", "/api/push/devices/d1"]);
  assert.equal(current(), null);
});

test("who switches off while it is being switched on is not notified", async () => {
  const { asked, manager, current } = pushWorld();
  await Promise.all([subscribe(manager, ["door"]), unsubscribe(manager)]);
  assert.deepEqual(asked.map(([method]) => method), ["GET", "POST", "DELETE"]);
  assert.equal(current(), null);
});

test("a subscription for another server's key is renewed, one for this key stays", async () => {
  const { manager, subscribed, set, current } = pushWorld();
  const own = subscribed([1, 2, 3]);
  set(own);
  await subscribe(manager, ["door"]);
  assert.equal(current(), own);
  set(subscribed([9, 9, 9]));
  await subscribe(manager, ["door"]);
  assert.equal(current().endpoint, "https://push.example/1,2,3");
});

test("why there is no Web Push is told", async () => {
  assert.match(await subscribe(undefined, ["door"]), /browser has no Web Push/);
  assert.equal(await subscribe(pushWorld({ key: null }).manager, ["door"]), "pywebpush is not installed");
  assert.equal(await subscribe(pushWorld({ refuse: "256 devices" }).manager, ["door"]), "256 devices");
  const { manager } = pushWorld();
  manager.subscribe = () => Promise.reject(new DOMException("no", "AbortError"));
  assert.match(await subscribe(manager, ["door"]), /can't be reached/);
});
