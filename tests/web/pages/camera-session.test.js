import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, mock, test } from "node:test";

import { cameraWords } from "../../../src/sightline/web/pages/camera-state.js";
import { CameraSession } from "../../../src/sightline/web/pages/camera-session.js";
import { FakeBitmap, FakeMedia, FakeSocket, FakeVideo, current, install, settle } from "../support/fakes.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/wire.json", import.meta.url), "utf8"));
const HELLO = JSON.parse(GOLDEN.hello);

/** What takes pictures: the test gives them, and reads what it was told. */
class FakeCapture {
  way = "";
  told = [];
  constructor(events) {
    this.events = events;
  }
  start() {
    this.way = "track";
  }
  stop() {
    this.way = "";
  }
  reset(...limits) {
    this.told.push(["reset", ...limits]);
  }
  limit(...limits) {
    this.told.push(["limit", ...limits]);
  }
  close() {
    this.told.push(["close"]);
  }
  grant() {
    this.told.push(["grant"]);
  }
}

let cameras; // what getUserMedia will give, in order
let seen;
let session;
let pauses;

beforeEach(() => {
  install();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  cameras = [new FakeMedia()];
  pauses = false;
  const getUserMedia = async () => {
    const next = cameras.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  Object.defineProperty(globalThis, "navigator", {
    value: { mediaDevices: { getUserMedia }, onLine: true },
    configurable: true,
  });
  globalThis.document = { hidden: false };
  globalThis.fetch = async () => ({ ok: true, json: async () => ({ runtime: false, model: null, reason: "" }) });
  seen = { tracks: [], awake: [], asked: [], results: [], begun: 0, opened: 0, busy: 0, said: [], runtime: [] };
  session = new CameraSession(
    "door",
    new FakeVideo(),
    {
      choice: () => ({ device: "", width: 640 }),
      pauses: () => pauses,
      onbegin: () => (seen.begun += 1),
      onchange: () => {},
      ontrack: (track) => seen.tracks.push(track),
      onawake: (on) => seen.awake.push(on),
      onopened: async () => void (seen.opened += 1),
      onhello: () => {},
      onasked: (asked, reason) => seen.asked.push([asked.fps, reason]),
      onbusy: () => (seen.busy += 1),
      onresult: (picture, result, shown) => seen.results.push([result.frameNumber, picture.image, shown.mode]),
      ontransport: () => {},
      place: {
        onsay: (text) => seen.said.push(text),
        onnotice: () => {},
        onruntime: (there) => seen.runtime.push(there),
      },
    },
    (events) => new FakeCapture(events),
  );
});

const state = () => cameraWords(session.situation).state;

async function live() {
  await session.start();
  current().accept();
  current().say(HELLO);
  await settle();
}

function take(bytes = 9) {
  const bitmap = new FakeBitmap();
  session.capture.events.onframe({ jpeg: new ArrayBuffer(bytes), bitmap, timestamp: Date.now(), width: 640, height: 360 });
  return bitmap;
}

test("a camera is opened, the server asked, and pictures go out as it allows", async () => {
  assert.equal(state(), "idle");
  await live();
  assert.equal(current().url.split("?")[0], "ws://localhost:8000/ws/camera/door");
  assert.deepEqual([state(), seen.begun, seen.opened], ["starting", 1, 1]);
  assert.deepEqual(seen.asked, [[HELLO.fps, ""]]);
  const [, credits, pace, limits] = session.capture.told.findLast(([what]) => what === "reset");
  assert.deepEqual([credits, pace], [HELLO.max_pending, Math.min(HELLO.fps, HELLO.max_fps)]);
  assert.deepEqual(limits, { maxSide: HELLO.width, maxPixels: HELLO.max_pixels, quality: HELLO.quality });
  assert.deepEqual(seen.runtime, [false]);
});

test("a result is shown on its picture, and the next one may go", async () => {
  await live();
  const bitmap = take();
  current().say({ ...JSON.parse(GOLDEN.result), frameNumber: 1 });
  assert.deepEqual(seen.results, [[1, bitmap, "server"]]);
  assert.equal(state(), "live");
  assert.deepEqual(session.capture.told.at(-1), ["grant"]);
});

test("a picture that is too large makes the next ones coarser", async () => {
  await live();
  take(HELLO.max_message_bytes + 1);
  const [, , limits] = session.capture.told.findLast(([what]) => what === "limit");
  assert.ok(Math.abs(limits.quality - (HELLO.quality - 0.1)) < 1e-9);
});

test("another pace takes effect without another gate, another preset with one", async () => {
  await live();
  const adapt = JSON.parse(GOLDEN.adapt);
  session.capture.told = [];
  current().say({ ...adapt, preset: HELLO.preset });
  assert.deepEqual(session.capture.told.map(([what]) => what), ["limit"]);
  current().say({ ...adapt, preset: "mobile" });
  assert.equal(session.capture.told.at(-1)[0], "reset");
  assert.equal(seen.asked.at(-1)[1], adapt.reason);
});

test("a hidden page goes on sending (fault 57)", async () => {
  await live();
  document.hidden = true;
  session.seen();
  assert.deepEqual([session.situation.paused, session.track.enabled, session.publisher.phase], [false, true, "open"]);
  take();
  assert.equal(session.publisher.counts.sent, 1);
});

test("a phone's hidden page sends nothing, keeps its stream, says why, and goes on when it is seen (fault 57)", async () => {
  pauses = true;
  await live();
  document.hidden = true;
  session.seen();
  assert.deepEqual([state(), session.track.enabled, session.publisher.phase], ["paused", false, "open"]);
  assert.deepEqual(current().said.at(-1), { type: "background", on: true });
  assert.deepEqual(session.capture.told.at(-1), ["close"]);
  current().leave(); // a phone may cut a hidden page off
  mock.timers.tick(500);
  current().accept();
  current().say(HELLO);
  await settle();
  assert.deepEqual(current().said.at(-1), { type: "background", on: true }, "the new connection is told, too");
  assert.deepEqual(session.capture.told.at(-1), ["close"]);
  document.hidden = false;
  session.seen();
  assert.deepEqual([session.track.enabled, current().said.at(-1)], [true, { type: "background", on: false }]);
  assert.equal(session.capture.told.at(-1)[0], "reset");
});

test("a page that may not be the stream's camera opens none (fault 46)", async () => {
  session.bar("unauthorized");
  await session.start();
  assert.deepEqual([seen.begun, session.track, FakeSocket.made.length, state()], [0, null, 0, "error"]);
});

test("a camera that does not open is a problem, and may be tried again", async () => {
  cameras = [Object.assign(new Error("no"), { name: "NotReadableError" }), new FakeMedia()];
  await session.start();
  assert.deepEqual([state(), session.situation.problem.kind], ["error", "NotReadableError"]);
  assert.equal(session.recover(), true);
  await settle();
  assert.equal(session.situation.problem, null);
  assert.equal(session.recover(), false);
});

test("an unplugged camera ends the publishing, and is told", async () => {
  await live();
  session.track.onended();
  assert.deepEqual([state(), session.track, session.publisher.phase], ["error", null, "closed"]);
  assert.equal(seen.awake.at(-1), false);
});

test("a camera that opens after the person has stopped is let go at once", async () => {
  const late = cameras[0];
  const starting = session.start();
  session.stop();
  await starting;
  assert.deepEqual([late.track.readyState, session.track, FakeSocket.made.length], ["ended", null, 0]);
  assert.equal(state(), "idle");
});

test("a taken name is told as such", async () => {
  await session.start();
  current().accept();
  current().say({ type: "error", code: "stream_busy", message: "door: another camera has it" });
  current().leave();
  assert.deepEqual([seen.busy, state()], [1, "reconnecting"]);
});

test("only a page that the browser trusts opens cameras", async () => {
  navigator.mediaDevices = undefined;
  await session.start();
  assert.deepEqual([seen.begun, session.track], [0, null]);
});
