import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { LiveSocket } from "../../../src/sightline/web/wire/socket.js";
import { FakeSocket, current, install } from "../support/fakes.js";

let phases;
let messages;
let socket;

beforeEach((t) => {
  install();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  phases = [];
  messages = [];
  socket = new LiveSocket("/ws/view/door", {
    onphase: (phase) => phases.push(phase),
    onmessage: (message) => messages.push(message),
    onbinary: (data) => messages.push(data),
  });
});

const status = { type: "status", state: "live", message: "" };

test("it connects to the page's own server and passes messages on", () => {
  socket.open();
  assert.equal(current().url, "ws://localhost:8000/ws/view/door");
  assert.equal(current().binaryType, "arraybuffer");
  current().accept();
  current().say(status);
  current().give([1, 2]);
  current().say("no json");
  current().say({ type: "from-the-future" });
  assert.deepEqual(phases, ["connecting", "open"]);
  assert.deepEqual(messages, [status, new Uint8Array([1, 2]).buffer]);
});

test("a server over https is reached by wss, also one that is not the page's own", () => {
  socket = new LiveSocket("/ws/view/door", { onphase: () => {} }, "https://cam.example");
  socket.open();
  assert.equal(current().url, "wss://cam.example/ws/view/door");
});

test("it comes back by itself, waiting longer each time", () => {
  socket.open();
  for (const wait of [200, ...Array(11).fill(400), 1500, 1500]) {
    const before = FakeSocket.made.length;
    current().leave();
    assert.equal(socket.phase, "waiting");
    mock.timers.tick(wait * 0.8 - 1);
    assert.equal(FakeSocket.made.length, before, "too early");
    mock.timers.tick(wait * 0.2 + 1);
    assert.equal(FakeSocket.made.length, before + 1);
  }
});

test("a connection that proved good makes the next wait short again", () => {
  socket.open();
  for (let i = 0; i < 6; i += 1) {
    current().leave();
    mock.timers.tick(10_000);
  }
  current().accept();
  socket.healthy();
  current().leave();
  mock.timers.tick(500);
  assert.equal(socket.phase, "connecting");
});

test("a server that accepts and closes is not hammered", () => {
  socket.open();
  for (let i = 0; i < 12; i += 1) {
    current().accept();
    current().leave();
    mock.timers.tick(10_000);
  }
  const made = FakeSocket.made.length;
  current().accept();
  current().leave();
  mock.timers.tick(1_100);
  assert.equal(FakeSocket.made.length, made);
});

test("who doesn't want to wait needn't", () => {
  socket.open();
  current().leave();
  socket.retryNow();
  assert.equal(socket.phase, "connecting");
  assert.equal(FakeSocket.made.length, 2);
  mock.timers.tick(600);
  assert.equal(FakeSocket.made.length, 2, "the old timer is off");
});

test("a try that gets no answer is given up", () => {
  socket.open();
  mock.timers.tick(8_000);
  assert.equal(socket.phase, "waiting");
});

test("close ends it for good, and nothing that comes later matters", () => {
  socket.open();
  const old = current();
  old.accept();
  const { onmessage } = old;
  socket.close();
  assert.equal(old.closedWith, 1000);
  assert.equal(old.onmessage, null);
  assert.equal(typeof onmessage, "function");
  old.leave();
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
  assert.equal(socket.phase, "closed");
});

test("pings give the server's clock and keep coming", () => {
  socket.open();
  current().accept();
  const pings = () => current().sent.map(JSON.parse).filter((m) => m.type === "ping");
  for (let i = 0; i < 10; i += 1) {
    const ping = pings().at(-1);
    current().say({ type: "pong", timestamp: ping.timestamp, server_time: ping.timestamp + 60_000 });
  }
  assert.equal(messages.length, 0, "pongs stay inside");
  assert.ok(Math.abs(socket.clock.offset - 60_000) < 100, `${socket.clock.offset}`);
  assert.equal(pings().length, 4, "a few at once for the clock");
  mock.timers.tick(5_000);
  assert.equal(pings().length, 5);
});

test("a connection that fell silent is given up", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  socket.open();
  current().accept();
  for (let s = 0; s < 10; s += 5) {
    now += 5_000;
    mock.timers.tick(5_000);
    assert.equal(socket.phase, "open");
  }
  now += 5_000;
  mock.timers.tick(5_000);
  assert.equal(socket.phase, "waiting");
});

test("a hidden page that looks once a minute keeps a connection that answers (fault 57)", (t) => {
  let now = 1_000;
  t.mock.method(performance, "now", () => now);
  socket.open();
  current().accept();
  for (let minute = 0; minute < 3; minute += 1) {
    for (let i = 0; i < 4; i += 1) current().say({ type: "pong", timestamp: now, server_time: now });
    now += 60_000;
    mock.timers.tick(5_000);
    assert.equal(socket.phase, "open");
  }
});

test("a refusal is remembered until a try ends without one", () => {
  socket.open();
  current().accept();
  current().say({ type: "error", code: "stream_busy", message: "taken" });
  current().leave();
  assert.deepEqual(socket.refused, { code: "stream_busy", message: "taken" });
  assert.equal(socket.phase, "waiting");
  mock.timers.tick(500);
  assert.notEqual(socket.refused, null, "while it tries, the person still reads why");
  current().leave();
  assert.equal(socket.refused, null);
});

test("where trying again is no use it stops, until the person says so", () => {
  socket.open();
  current().accept();
  current().say({ type: "error", code: "bad_request", message: "no such name" });
  current().leave();
  assert.equal(socket.phase, "closed");
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
  socket.retryNow();
  assert.equal(FakeSocket.made.length, 2);
});
