import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Backoff } from "../../../src/sightline/web/lib/backoff.js";
import { Clock } from "../../../src/sightline/web/lib/clock.js";
import { Average, Rate, count, fps, millis, percent, plural, areaInWords, score, several } from "../../../src/sightline/web/lib/format.js";
import { captureSize, framed, project } from "../../../src/sightline/web/lib/geometry.js";
import { color, textColor } from "../../../src/sightline/web/lib/palette.js";

const hex = (rgb) => `#${rgb.map((c) => c.toString(16).padStart(2, "0")).join("")}`;

test("the palette is the server's", () => {
  const golden = JSON.parse(readFileSync(new URL("../../golden/palette.json", import.meta.url), "utf8"));
  const ours = golden.map((_, i) => ({ color: hex(color(i)), text: hex(textColor(i)) }));
  assert.deepEqual(ours, golden);
});

test("waits are short for some seconds, then one and a half, and start over after success (fault 56)", () => {
  const backoff = new Backoff(() => 1);
  assert.deepEqual(Array.from({ length: 12 }, () => backoff.next()), [200, ...Array(11).fill(400)]);
  assert.deepEqual([backoff.next(), backoff.next()], [1500, 1500]);
  backoff.reset();
  assert.equal(backoff.next(), 200);
});

test("waits differ by up to a fifth", () => {
  assert.equal(new Backoff(() => 0).next(), 160);
  for (let i = 0; i < 50; i += 1) {
    const wait = new Backoff().next();
    assert.ok(wait >= 160 && wait <= 200, `${wait}`);
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

test("the rate of what comes rarely is that of its interval", () => {
  const rate = new Rate(2000);
  for (let t = 0; t <= 200; t += 40) rate.tick(t);
  for (const t of [5200, 10200, 15200]) {
    rate.tick(t);
    assert.equal(rate.perSecond(t), 0.2);
    assert.equal(rate.perSecond(t + 4900), 0.2);
  }
  assert.equal(rate.perSecond(15200 + 15001), 0);
});

test("numbers keep their width and unknown ones are a dash", () => {
  assert.deepEqual([24.96, 9.04, 144.2, 0.2, 0.033, 0, NaN, undefined].map(fps), ["25.0", "9.0", "144", "0.2", "0.03", "0.0", "–", "–"]);
  assert.deepEqual(
    [0.44, 7.6, 250, 9999, 12345, -3, NaN, undefined].map(millis),
    ["0.4 ms", "8 ms", "250 ms", "9999 ms", "12 s", "0 ms", "–", "–"],
  );
  assert.equal(count(1234567), "1,234,567");
  assert.equal(percent(0.876), "88 %");
  assert.deepEqual([plural(1, "viewer"), plural(0, "viewer")], ["1 viewer", "0 viewers"]);
});

test("a picture is put in the middle of its area, whole", () => {
  assert.deepEqual(framed(640, 360, 1280, 800), { x: 0, y: 40, width: 1280, height: 720 });
  assert.deepEqual(framed(360, 640, 1280, 640), { x: 460, y: 0, width: 360, height: 640 });
});

test("boxes go where the picture goes", () => {
  const place = framed(640, 360, 1280, 800);
  assert.deepEqual(project([0, 0, 640, 360], 640, 360, place), place);
  assert.deepEqual(project([320, 180, 330, 190], 640, 360, place), { x: 640, y: 400, width: 20, height: 20 });
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

test("amounts are in the plural, and names that are no plain English stay as they are (fault 43)", () => {
  const told = (name) => several(11, name);
  assert.deepEqual(
    ["person", "bus", "knife", "wine glass", "potted plant", "lady", "toy"].map(told),
    ["11 people", "11 buses", "11 knives", "11 wine glasses", "11 potted plants", "11 ladies", "11 toys"],
  );
  assert.deepEqual(["Hund", "traffic_light", "人", "class 7"].map(told), ["11 × Hund", "11 × traffic_light", "11 × 人", "11 × class 7"]);
  assert.equal(several(1, "person"), "1 person");
});

test("per cent are of area, and a confidence is as the settings have it (fault 43)", () => {
  assert.deepEqual([areaInWords(0.34), areaInWords(0.001), score(0.871)], ["34 % of area", "<1 % of area", "0.87"]);
});
