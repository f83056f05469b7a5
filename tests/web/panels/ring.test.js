import assert from "node:assert/strict";
import { test } from "node:test";

import { Ring } from "../../../src/sightline/web/panels/picture/ring.js";

const meta = (frameNumber) => ({ frameNumber, width: 640, height: 360, detections: [{ class_id: frameNumber }] });
const picture = (size) => ({ bytes: new Uint8Array(size) });
const numbers = (ring) => ring.kept.map(({ meta: { frameNumber } }) => frameNumber);
const total = (ring) => ring.kept.reduce((sum, { bytes }) => sum + bytes, 0);

test("pictures of the last thirty seconds are kept, each with its own words", () => {
  const ring = new Ring();
  for (let i = 0; i < 100; i += 1) ring.add(meta(i), picture(10), i * 1000);
  assert.deepEqual(numbers(ring), Array.from({ length: 31 }, (_, i) => 69 + i));
  for (const one of ring.kept) assert.equal(one.meta.detections[0].class_id, one.meta.frameNumber);
});

test("they never take more bytes than they may, but the newest is always there", () => {
  const ring = new Ring(() => {}, 1000);
  for (let i = 0; i < 50; i += 1) {
    ring.add(meta(i), picture(1 + ((i * 37) % 400)), i * 10);
    assert.ok(total(ring) <= 1000, String(i));
  }
  assert.ok(ring.kept.length > 2);
  ring.add(meta(50), picture(5000), 510);
  assert.deepEqual(numbers(ring), [50]);
});

test("where nothing moves, the picture is kept once, with what was said of it each time", () => {
  const ring = new Ring(() => {}, 1000);
  ring.add(meta(0), picture(600), 0);
  const { decode } = ring.kept[0];
  for (let i = 1; i <= 60; i += 1) {
    ring.again({ frameNumber: i, captured_at: i, detections: [{ class_id: i }], extras: {} }, i * 1000);
    assert.equal(total(ring), 600);
  }
  assert.equal(ring.kept.length, 31);
  assert.equal(ring.kept.at(-1).meta.detections[0].class_id, 60);
  assert.ok(ring.kept.every((one) => one.decode === decode));
  ring.add(meta(61), picture(900), 61_000);
  assert.deepEqual(numbers(ring), [61]);
  ring.again({ frameNumber: 62, captured_at: 62 }, 62_000);
  assert.equal(ring.kept[1].meta.detections[0].class_id, 61, "nothing else was said");
});

test("of a video some are kept, compressed anew", async () => {
  const drawn = [];
  globalThis.OffscreenCanvas = class {
    constructor(width, height) {
      this.size = [width, height];
    }
    getContext = () => ({ drawImage: () => drawn.push(this.size) });
    convertToBlob = async () => ({ size: 100 });
  };
  const ring = new Ring();
  for (let at = 0; at < 1000; at += 40) {
    ring.add(meta(at), { image: { width: 1920, height: 1080 }, mask: { values: new Uint8Array(50) } }, at);
    await new Promise(setImmediate);
  }
  assert.deepEqual(numbers(ring), [0, 200, 400, 600, 800]);
  assert.deepEqual(drawn[0], [960, 540]);
  assert.equal(total(ring), 750);
});
