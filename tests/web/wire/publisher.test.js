import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, mock, test } from "node:test";

import { Publisher } from "../../../src/sightline/web/wire/publisher.js";
import { FakeBitmap, FakeSocket, current, install } from "../support/fakes.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/wire.json", import.meta.url), "utf8"));
const HELLO = JSON.parse(GOLDEN.hello);

let publisher;
let events;

beforeEach(() => {
  install();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  events = { answers: 0, shown: [], adapted: [], statuses: [], tooLarge: 0, phases: [] };
  publisher = new Publisher("door", {
    onphase: (phase) => events.phases.push(phase),
    onhello: () => {},
    onadapt: (adapt) => events.adapted.push(adapt),
    onstatus: (state) => events.statuses.push(state),
    onanswer: () => (events.answers += 1),
    onresult: (picture, result) => events.shown.push([result.frameNumber, picture.image]),
    ontoolarge: () => (events.tooLarge += 1),
  });
  publisher.start();
  current().accept();
  current().say(HELLO);
});

function frame(bytes = 9) {
  const bitmap = new FakeBitmap();
  publisher.send({ type: "frame", jpeg: new ArrayBuffer(bytes), bitmap, timestamp: 1e12, width: 640, height: 360 });
  return bitmap;
}

const answer = (frameNumber) => ({ ...JSON.parse(GOLDEN.result), frameNumber });

test("a picture is two messages, the first as the protocol has it", () => {
  frame();
  const [metadata] = current().said;
  const golden = JSON.parse(GOLDEN.camera_frame_metadata);
  delete golden.clockOffset; // not known before the first pong
  assert.deepEqual(Object.keys(metadata).sort(), Object.keys(golden).sort());
  assert.deepEqual({ ...metadata, frameNumber: 7 }, { ...golden, timestamp: 1e12 });
  assert.ok(current().sent.at(-1) instanceof ArrayBuffer);
});

test("the server's clock is told once it is known", () => {
  current().say({ type: "pong", timestamp: 1000, server_time: 1001.5 });
  frame();
  assert.equal(typeof current().said[0].clockOffset, "number");
});

test("the answer is shown on the picture it belongs to", () => {
  const first = frame();
  const second = frame();
  current().say(answer(2));
  current().say(answer(1));
  assert.deepEqual(events.shown, [[2, second]], "an older picture does not come after a newer one");
  assert.ok(first.closed && !second.closed);
  assert.equal(events.answers, 2);
  const { sent, answered, skipped } = publisher.counts;
  assert.deepEqual([sent, answered, skipped], [2, 2, 0]);
});

test("no more go out than may be under way", () => {
  frame();
  frame();
  assert.equal(publisher.free, 0);
  assert.ok(frame().closed);
  assert.equal(current().said.length, 2);
  assert.equal(publisher.counts.skipped, 1);
  current().say(answer(1));
  assert.equal(publisher.free, 1);
});

test("drops are counted by reason and free their picture", () => {
  const bitmap = frame();
  frame();
  current().say({ ...JSON.parse(GOLDEN.dropped), frameNumber: 1 });
  current().say({ ...JSON.parse(GOLDEN.failed), frameNumber: 2 });
  assert.ok(bitmap.closed);
  assert.deepEqual([...publisher.counts.dropped], [["replaced", 1], ["failed", 1]]);
  assert.deepEqual(events.statuses, ["failed"]);
  assert.equal(events.answers, 2);
});

test("answers nobody waits for change nothing", () => {
  current().say(answer(99));
  current().say({ ...JSON.parse(GOLDEN.dropped), frameNumber: 98 });
  current().give([1, 2, 3]);
  assert.deepEqual([events.answers, events.shown.length, publisher.counts.answered], [0, 0, 0]);
});

test("a picture over the server's limit is not sent", () => {
  assert.ok(frame(HELLO.max_message_bytes + 1).closed);
  assert.equal(current().said.length, 0);
  assert.deepEqual([events.tooLarge, events.answers, publisher.counts.skipped], [1, 1, 1]);
});

test("when the connection ends, what had no answer counts as such", () => {
  const bitmap = frame();
  current().leave();
  assert.ok(bitmap.closed);
  assert.deepEqual([...publisher.counts.dropped], [["closed", 1]]);
  assert.ok(frame().closed, "and nothing is sent");
  assert.equal(publisher.counts.sent, 1);
});

test("five seconds without an answer is a lost connection", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  frame();
  for (let s = 1; s <= 5; s += 1) {
    now += 1_000;
    mock.timers.tick(1_000);
  }
  assert.equal(publisher.phase, "open");
  now += 1_000;
  mock.timers.tick(1_000);
  assert.equal(publisher.phase, "waiting");
});

test("a model that loads may take its time", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  current().say({ type: "status", state: "loading", message: "" });
  frame();
  now += 9_000;
  mock.timers.tick(4_000);
  assert.equal(publisher.phase, "open");
});

test("a camera that sends nothing waits for no answer", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  now += 6_000;
  mock.timers.tick(4_000);
  assert.equal(publisher.phase, "open");
});

test("frame numbers go on after a reconnection", () => {
  frame();
  current().leave();
  mock.timers.tick(500);
  assert.equal(FakeSocket.made.length, 2);
  current().accept();
  current().say(HELLO);
  frame();
  assert.equal(current().said[0].frameNumber, 2);
});

test("what the server asks for is passed on, and so many may be under way", () => {
  const asked = { ...JSON.parse(GOLDEN.adapt), max_pending: 4 };
  current().say(asked);
  assert.deepEqual(events.adapted, [asked]);
  assert.equal(publisher.free, 4);
});
