import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, mock, test } from "node:test";

import { FakeSocket, current, install, settle } from "../support/fakes.js";
import { installPage } from "../support/page.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/wire.json", import.meta.url), "utf8"));
const FRAME = JSON.parse(GOLDEN.viewer_frame);

let page = installPage();
const { SightlineViewer } = await import("../../../src/sightline/web/elements/sightline-viewer.js");

/** One that writes down what it is told. */
class Viewer extends SightlineViewer {
  told = [];
  onconnect() {
    this.told.push("connect");
  }
  onframe({ meta }) {
    this.told.push(meta.frameNumber);
  }
  onstill({ frameNumber }) {
    this.told.push(`still ${frameNumber}`);
  }
  onmodel(model) {
    this.told.push(model);
  }
  ondisconnect(reason) {
    this.told.push(`disconnect: ${reason}`);
  }
}

beforeEach(() => {
  install();
  page = installPage();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
});

function viewer(attributes = {}) {
  const made = new Viewer();
  for (const [name, value] of Object.entries({ stream: "door", ...attributes })) made.setAttribute(name, value);
  return made;
}

/** A viewer on the page whose camera is live. */
function live(attributes) {
  const made = viewer(attributes);
  made.connectedCallback();
  current().accept();
  current().say({ type: "status", state: "live", message: "" });
  return made;
}

async function picture(socket = current(), more = {}) {
  socket.say({ ...FRAME, ...more });
  socket.give([1, 2, 3]);
  await settle();
}

const canvasOf = (element) => element.shadow.children.find((child) => child.drawn);

test("it connects on the page, and not before", () => {
  const made = viewer();
  assert.equal(FakeSocket.made.length, 0);
  made.connectedCallback();
  assert.equal(current().url, "ws://localhost:8000/ws/view/door?still=1");
  assert.deepEqual([made.status.state, made.told], ["connecting", []]);
  current().accept();
  assert.deepEqual(made.told, ["connect"]);
});

test("a picture is drawn, acknowledged and told; its model is told before", async () => {
  const made = live();
  await picture();
  assert.deepEqual(made.told, ["connect", FRAME.model, FRAME.frameNumber]);
  assert.ok(canvasOf(made).drawn.length > 0);
  assert.deepEqual(current().said, [{ type: "ack", frameNumber: FRAME.frameNumber }]);
  assert.equal(made.status.state, "live");
  current().say({ ...JSON.parse(GOLDEN.still), frameNumber: 9 });
  assert.equal(made.told.at(-1), "still 9");
});

test("taken off the page, it leaves nothing behind", async () => {
  const made = live();
  await picture();
  const socket = current();
  const drawn = canvasOf(made).drawn;
  assert.ok(page.listening.count > 0);
  made.disconnectedCallback();
  assert.equal(socket.closedWith, 1000);
  assert.equal(page.listening.count, 0);
  assert.ok(drawn.at(-1).closed, "the picture is freed");
  assert.deepEqual(made.shadow.children.map((child) => Boolean(child.drawn)), [false, false, true], "no video is left");
  assert.equal(made.told.at(-1), "disconnect: removed");
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1, "and it does not come back by itself");
  made.connectedCallback();
  assert.equal(FakeSocket.made.length, 2, "but where it is put back");
});

test("a frozen picture stays, the newest is kept for later, and none of them leaks", async () => {
  const made = live();
  const bitmaps = [];
  globalThis.createImageBitmap = async () => {
    const bitmap = { closed: false, close: () => (bitmap.closed = true) };
    bitmaps.push(bitmap);
    return bitmap;
  };
  const { drawn } = (await picture(), canvasOf(made));
  made.painter.freeze(true);
  await picture();
  await picture();
  made.painter.renew({ extras: { zones: {} } });
  made.painter.repaint();
  assert.equal(drawn.at(-1), bitmaps[0]);
  assert.deepEqual(bitmaps.map(({ closed }) => closed), [false, true, false]);
  made.painter.freeze(false);
  assert.equal(drawn.at(-1), bitmaps[2]);
  assert.deepEqual(bitmaps.map(({ closed }) => closed), [true, true, false]);
  made.painter.freeze(true);
  made.painter.renew({ extras: { zones: {} } });
  await picture();
  assert.equal(bitmaps[2].closed, false, "what is told of the frozen picture does not close it");
  made.disconnectedCallback();
  assert.deepEqual([made.painter.frozen, ...bitmaps.map(({ closed }) => closed)], [false, true, true, true, true]);
});

test("a picture that was being decoded when it left is not drawn", async () => {
  let decoded;
  globalThis.createImageBitmap = () => new Promise((resolve) => (decoded = resolve));
  const made = live();
  await picture();
  made.disconnectedCallback();
  const bitmap = { closed: false, close: () => (bitmap.closed = true) };
  decoded(bitmap);
  await settle();
  assert.ok(bitmap.closed);
  assert.deepEqual(made.told, ["connect", "disconnect: removed"]);
});

test("several on one page know nothing of each other", async () => {
  const [first, second] = [live(), live({ stream: "yard" })];
  const [one, two] = FakeSocket.made;
  await picture(one, { frameNumber: 1 });
  await picture(two, { frameNumber: 2 });
  first.disconnectedCallback();
  await picture(two, { frameNumber: 3 });
  assert.deepEqual(first.told.filter(Number.isInteger), [1]);
  assert.deepEqual(second.told.filter(Number.isInteger), [2, 3]);
  assert.equal(two.closedWith, undefined);
});

test("another stream, server or transport is another connection", () => {
  const made = live();
  made.setAttribute("stream", "yard");
  assert.equal(current().url, "ws://localhost:8000/ws/view/yard?still=1");
  assert.equal(made.told.at(-1), "disconnect: changed");
  made.setAttribute("transport", "websocket");
  made.setAttribute("src", "https://cam.example/anything");
  assert.equal(current().url, "wss://cam.example/ws/view/yard?still=1");
  assert.equal(FakeSocket.made.length, 4);
  assert.equal(page.listening.count, 5, "only the last one listens");
});

test("the look follows its attributes, within bounds; without them it is the painter's", () => {
  const made = live({ mode: "contours" });
  assert.deepEqual([made.painter.options.mode, made.painter.options.opacity], ["contours", 1]);
  made.setAttribute("opacity", "0.25");
  assert.equal(made.painter.options.opacity, 0.25);
  made.setAttribute("opacity", "7");
  assert.equal(made.painter.options.opacity, 1);
  assert.equal(FakeSocket.made.length, 1, "the connection stays");
  const plain = live();
  plain.painter.options.mode = "filled";
  assert.equal(plain.painter.options.mode, "filled");
});

test("a page that nobody sees rests, and goes on when it is seen", () => {
  const made = live();
  document.hidden = true;
  document.dispatchEvent(new Event("visibilitychange"));
  mock.timers.tick(9_999);
  assert.equal(current().closedWith, undefined);
  mock.timers.tick(1);
  assert.deepEqual([current().closedWith, made.status.state, made.told.at(-1)], [1000, "paused", "disconnect: hidden"]);
  document.hidden = false;
  document.dispatchEvent(new Event("visibilitychange"));
  assert.equal(FakeSocket.made.length, 2);
});

test("a lost connection is told, and made again; a refusal has the server's code", () => {
  const made = live();
  current().leave();
  assert.deepEqual([made.told.at(-1), made.status.state], ["disconnect: lost", "reconnecting"]);
  mock.timers.tick(500);
  current().accept();
  current().say({ type: "error", code: "forbidden", message: "not yours" });
  current().leave();
  assert.deepEqual([made.told.at(-1), made.status.state], ["disconnect: forbidden", "error"]);
});

test("how things stand is told when it changes, also when nothing comes", (t) => {
  const made = live();
  const states = [];
  made.onstatus = ({ state }) => states.push(state);
  const now = performance.now();
  t.mock.method(performance, "now", () => now + 4_000);
  mock.timers.tick(1_000);
  assert.deepEqual(states, ["stalled"]);
});
