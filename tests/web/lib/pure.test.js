import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Backoff } from "../../../src/sightline/web/lib/backoff.js";
import { dropsInWords, lost } from "../../../src/sightline/web/panels/cards.js";
import { Clock } from "../../../src/sightline/web/lib/clock.js";
import { Average, Rate, count, fps, millis, percent, plural } from "../../../src/sightline/web/lib/format.js";
import { Gate } from "../../../src/sightline/web/capture/send-gate.js";
import { captureSize, contain, labelAt, project } from "../../../src/sightline/web/lib/geometry.js";
import { maskColors } from "../../../src/sightline/web/draw/mask.js";
import { problemWith } from "../../../src/sightline/web/panels/name.js";
import { color, textColor } from "../../../src/sightline/web/lib/palette.js";
import { isLoopback } from "../../../src/sightline/web/panels/share.js";

const hex = (rgb) => `#${rgb.map((c) => c.toString(16).padStart(2, "0")).join("")}`;

test("the palette is the server's", () => {
  const golden = JSON.parse(readFileSync(new URL("../../golden/palette.json", import.meta.url), "utf8"));
  const ours = golden.map((_, i) => ({ color: hex(color(i)), text: hex(textColor(i)) }));
  assert.deepEqual(ours, golden);
});

test("waits double from half a second to ten, and start over after success", () => {
  const backoff = new Backoff(() => 1);
  assert.deepEqual(Array.from({ length: 7 }, () => backoff.next()), [500, 1000, 2000, 4000, 8000, 10000, 10000]);
  backoff.reset();
  assert.equal(backoff.next(), 500);
});

test("waits differ by up to a fifth", () => {
  assert.equal(new Backoff(() => 0).next(), 400);
  for (let i = 0; i < 50; i += 1) {
    const wait = new Backoff().next();
    assert.ok(wait >= 400 && wait <= 500, `${wait}`);
  }
});

test("the clock believes the quickest of the last pings", () => {
  const clock = new Clock();
  assert.equal(clock.offset, null);
  clock.add(1000, 1100, 6080); // 100 ms there and back, mostly there
  assert.equal(clock.offset, 5030);
  clock.add(2000, 2010, 7005);
  assert.equal(clock.offset, 5000);
  assert.equal(clock.trip, 10);
  for (let i = 0; i < 8; i += 1) clock.add(3000, 3050, 8100); // the server's clock was set: old samples go
  assert.equal(clock.offset, 5075);
});

test("a mean follows its values within its time constant", () => {
  const mean = new Average(1000);
  assert.ok(Number.isNaN(mean.value));
  mean.add(10, 0);
  assert.equal(mean.value, 10);
  mean.add(20, 1000);
  assert.ok(Math.abs(mean.value - (10 / Math.E + 20 * (1 - 1 / Math.E))) < 1e-9);
  mean.clear();
  assert.ok(Number.isNaN(mean.value));
});

test("a mean takes values of the same moment", () => {
  const mean = new Average(1000);
  mean.add(10, 5);
  mean.add(20, 5);
  assert.ok(mean.value > 10 && mean.value < 11);
});

test("a rate counts whole intervals and sinks when events stay away", () => {
  const rate = new Rate(2000);
  assert.equal(rate.perSecond(0), 0);
  for (let t = 0; t <= 1000; t += 40) rate.tick(t);
  assert.equal(rate.perSecond(1000), 25);
  assert.equal(rate.perSecond(1039), 25);
  assert.ok(rate.perSecond(2000) < 13);
  assert.equal(rate.perSecond(5000), 0);
});

test("numbers keep their width and unknown ones are a dash", () => {
  assert.deepEqual([24.96, 9.04, 144.2, 0, NaN, undefined].map(fps), ["25.0", "9.0", "144", "0.0", "–", "–"]);
  assert.deepEqual(
    [0.44, 7.6, 250, 9999, 12345, -3, NaN, undefined].map(millis),
    ["0.4 ms", "8 ms", "250 ms", "9999 ms", "12 s", "0 ms", "–", "–"],
  );
  assert.equal(count(1234567), "1,234,567");
  assert.equal(percent(0.876), "88 %");
  assert.deepEqual([plural(1, "viewer"), plural(0, "viewer")], ["1 viewer", "0 viewers"]);
});

test("the gate is closed until a connection opens it, then lets through what may be under way", () => {
  const gate = new Gate();
  assert.equal(gate.ask(0), "closed");
  gate.grant();
  gate.reset(2, 1000);
  assert.deepEqual([gate.ask(0), gate.ask(10), gate.ask(20)], ["go", "go", "skip"]);
  gate.grant();
  assert.deepEqual([gate.ask(30), gate.ask(40)], ["go", "skip"]);
  gate.close();
  assert.equal(gate.ask(50), "closed");
});

test("the gate keeps to the frame rate, however unevenly pictures come", () => {
  const gate = new Gate();
  gate.reset(1e6, 30);
  let passed = 0;
  let seed = 1;
  for (let i = 0; i < 6000; i += 1) {
    seed = (seed * 48271) % 2147483647;
    const jitter = ((seed % 1000) / 1000 - 0.5) * 12;
    if (gate.ask(i * (1000 / 60) + jitter) === "go") passed += 1;
  }
  assert.ok(passed <= 3002 && passed > 2900, `${passed} of 60 a second for 100 s`);
});

test("the gate lets a camera at just the limit through whole", () => {
  const gate = new Gate();
  gate.reset(1e6, 30);
  let passed = 0;
  for (let i = 0; i < 300; i += 1) passed += Number(gate.ask(i * (1000 / 30) + (i % 2 ? 6 : -6)) === "go");
  assert.ok(passed >= 298, `${passed}`);
});

test("a picture is put in the middle of its area, whole", () => {
  assert.deepEqual(contain(640, 360, 1280, 800), { x: 0, y: 40, width: 1280, height: 720 });
  assert.deepEqual(contain(360, 640, 1280, 640), { x: 460, y: 0, width: 360, height: 640 });
});

test("boxes go where the picture goes", () => {
  const place = contain(640, 360, 1280, 800);
  assert.deepEqual(project([0, 0, 640, 360], 640, 360, place), place);
  assert.deepEqual(project([320, 180, 330, 190], 640, 360, place), { x: 640, y: 400, width: 20, height: 20 });
});

test("labels stay in the picture", () => {
  const place = { x: 100, y: 50, width: 400, height: 300 };
  const at = (x, y, height = 100) => labelAt({ x, y, width: 80, height }, 60, 18, place);
  assert.deepEqual(at(200, 150), { x: 200, y: 132 }, "on top");
  assert.deepEqual(at(200, 55), { x: 200, y: 55 }, "inside where there is no room above");
  assert.deepEqual(at(480, 150), { x: 440, y: 132 }, "not over the right edge");
  assert.deepEqual(at(100, 50), { x: 100, y: 50 });
  assert.deepEqual(labelAt({ x: 100, y: 50, width: 5, height: 5 }, 900, 18, place), { x: 100, y: 50 }, "too long");
});

test("pictures are sent smaller, never larger, in even numbers", () => {
  assert.deepEqual(captureSize(1280, 720, 640), { width: 640, height: 360 });
  assert.deepEqual(captureSize(720, 1280, 640), { width: 360, height: 640 });
  assert.deepEqual(captureSize(320, 240, 640), { width: 320, height: 240 });
  assert.deepEqual(captureSize(1281, 721, 1281), { width: 1280, height: 720 });
  assert.deepEqual(captureSize(4000, 1, 640), { width: 640, height: 2 });
  const { width, height } = captureSize(4096, 4096, 4096, 1_000_000);
  assert.ok(width * height <= 1_000_000 && width === height && width >= 998);
});

test("an instance mask has the colours of its rows' classes", () => {
  const detections = [7, 300].map((class_id) => ({ class_id, class_name: "x", confidence: 1, xyxy: [0, 0, 1, 1] }));
  const table = maskColors({ detections, mask_kind: "instances" });
  const pixels = new Uint8Array(Uint32Array.from([0, 1, 2, 9], (value) => table[value]).buffer);
  assert.deepEqual([...pixels], [0, 0, 0, 0, ...color(7), 255, ...color(300), 255, 0, 0, 0, 0]);
});

test("a class map has its classes' colours, background none", () => {
  const segments = [
    { class_id: 0, class_name: "background", share: 0.9 },
    { class_id: 15, class_name: "person", share: 0.1 },
  ];
  const table = maskColors({ detections: [], segments, mask_kind: "classes" });
  assert.equal(table[0], 0);
  assert.equal(hex([table[15] & 255, (table[15] >> 8) & 255, (table[15] >> 16) & 255]), hex(color(15)));
  assert.equal(table[15] >>> 24, 255);
});

test("what was lost is told with its reasons, failures among them", () => {
  const stats = { dropped: { replaced: 3, unwatched: 1200, rate: 1, closed: 0 }, failed: 2 };
  assert.deepEqual(lost(stats), [["unwatched", 1200], ["replaced", 3], ["failed", 2], ["rate", 1]]);
  assert.equal(
    dropsInWords(lost(stats)),
    "Dropped: 1,200 × nobody was watching, 3 × a newer picture came first, 3 × other reasons.",
  );
  assert.equal(dropsInWords([]), "Every picture so far had its result.");
});

test("a new camera's name is checked before it is used", () => {
  const streams = [{ name: "webcam", state: "live" }, { name: "old", state: "waiting" }];
  assert.equal(problemWith("door-1_a", streams), "");
  assert.equal(problemWith("old", streams), "");
  assert.notEqual(problemWith("webcam", streams), "");
  for (const bad of ["", "a b", "ü", "a/b", "x".repeat(65)]) assert.notEqual(problemWith(bad, streams), "", bad);
});

test("a link to this machine's own address is known as such", () => {
  for (const host of ["localhost", "a.localhost", "127.0.0.1", "[::1]"]) assert.ok(isLoopback(host), host);
  for (const host of ["192.168.1.5", "localhost.example", "example.org"]) assert.ok(!isLoopback(host), host);
});
