/** Of all pages in a browser one listens, and another takes over where it stopped. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { setImmediate as soon } from "node:timers/promises";
import { Listener, lastHeard } from "../../../src/sightline/web/notify/listener.js";
import { FakeSocket, current, install } from "../support/fakes.js";

let kept;
let locks;
let shown;

/** The browser's locks: one holder, the others wait. */
class Locks {
  #waiting = [];
  #held = false;

  request(name, { signal }, work) {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      this.#waiting.push(async () => signal.aborted || resolve(await work()));
      void this.#next();
    });
  }

  async #next() {
    if (this.#held) return;
    const work = this.#waiting.shift();
    if (!work) return;
    this.#held = true;
    await work();
    this.#held = false;
    void this.#next();
  }
}

const show = async (event) => void shown.push(event.id);
const listener = (wants = () => true, only = "") => new Listener(only, wants, show, locks);
const alert = (number, stream = "door") => ({
  ...{ type: "event", id: `e${number}`, stream, phase: "start", kind: "rule", at: 1, seq: 1, number, actions: ["notify"] },
});

beforeEach(() => {
  install();
  kept = new Map();
  globalThis.localStorage = { getItem: (name) => kept.get(name) ?? null, setItem: (name, value) => kept.set(name, value) };
  locks = new Locks();
  shown = [];
});

test("one page listens, and shows each alert of the wanted streams once", () => {
  const pages = [listener((stream) => stream === "door"), listener(), listener()];
  for (const page of pages) page.start();
  pages[0].start();
  assert.equal(FakeSocket.made.length, 1);
  assert.equal(current().url, "ws://localhost:8000/ws?events=1&kind=rule&position=1");
  current().accept();
  for (const event of [alert(1), alert(2, "hall"), { ...alert(3), phase: "end" }, alert(4)]) current().say(event);
  assert.deepEqual(shown, ["e1", "e4"]);
  for (const page of pages) page.stop();
});

test("the page that takes over goes on where the other stopped", async () => {
  const pages = [listener(), listener(undefined, "door")];
  for (const page of pages) page.start();
  current().accept();
  current().say(alert(7));
  await soon();
  pages[0].stop();
  await soon();
  assert.equal(FakeSocket.made.length, 2);
  assert.equal(current().url, "ws://localhost:8000/ws?events=1&kind=rule&position=1&stream=door&after=7");
  current().accept();
  current().say(alert(8));
  assert.deepEqual(shown, ["e7", "e8"]);
  pages[1].stop();
  pages[1].start();
  await soon();
  assert.equal(FakeSocket.made.length, 3);
  pages[1].stop();
});

test("a page that has heard of nothing yet knows where it began to listen", async () => {
  const pages = [listener(), listener()];
  for (const page of pages) page.start();
  current().accept();
  current().say({ type: "position", number: 41 });
  await soon();
  pages[0].stop();
  await soon();
  assert.match(current().url, /after=41$/);
  pages[1].stop();
});

test("what a page has heard and not yet shown when it is closed is heard by the next", async () => {
  const done = [];
  const slow = (event) => new Promise((resolve) => done.push(() => resolve(shown.push(event.id))));
  const closed = new Listener("", () => true, slow, locks);
  const next = listener();
  for (const page of [closed, next]) page.start();
  current().accept();
  for (const event of [alert(5), alert(6), { ...alert(7), phase: "end" }]) current().say(event);
  done[1]();
  await soon();
  assert.equal(lastHeard(Date.now()), 0, "the first is not shown yet");
  done[0]();
  await soon();
  assert.equal(lastHeard(Date.now()), 7);
  current().say(alert(8));
  closed.stop();
  await soon();
  assert.match(current().url, /after=7$/);
  next.stop();
});

test("what happened while no page was open for long is not told afterwards", () => {
  kept.set("sightline.notified", "7 1000000");
  assert.equal(lastHeard(1_000_000 + 9 * 60_000), 7);
  assert.equal(lastHeard(1_000_000 + 11 * 60_000), 0);
  kept.set("sightline.notified", "nonsense");
  assert.equal(lastHeard(0), 0);
});
