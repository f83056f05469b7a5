import assert from "node:assert/strict";
import { test } from "node:test";

import { Trails } from "../../../src/sightline/web/draw/trails.js";
import { seen } from "../../../src/sightline/web/wire/findings.js";

const at = (x, tracker_id) => ({ class_id: 0, class_name: "cat", confidence: 0.9, xyxy: [x, 0, x + 20, 50], tracker_id });
const picture = (...detections) => ({ width: 200, height: 100, findings: { detections } });

test("a trail has the places of an object, and forgets old ones", () => {
  const trails = new Trails();
  trails.add(picture(at(0, 5), at(100, undefined)), 0);
  trails.add(picture(at(20, 5)), 100);
  assert.deepEqual([...trails.all.keys()], [5]);
  assert.deepEqual(trails.all.get(5)?.map(({ x, y }) => [x, y]), [[0.05, 0.5], [0.15, 0.5]]);
  trails.add(picture(), 2450);
  assert.equal(trails.all.get(5)?.length, 1);
  trails.add({ width: 1, height: 1, findings: null }, 9000);
  assert.equal(trails.all.size, 0);
});

test("a trail never has more points than a screen shows, however fast pictures come", () => {
  const trails = new Trails();
  for (let i = 0; i < 1000; i += 1) trails.add(picture(at(i % 100, 1)), i);
  assert.equal(trails.all.get(1)?.length, 64);
  trails.clear();
  assert.equal(trails.all.size, 0);
});

test("what was seen so far is told by class, most first", () => {
  assert.deepEqual(seen({ detections: [], extras: { tracks: { seen: { cat: 1, dog: 3 } } } }), [["dog", 3], ["cat", 1]]);
  assert.deepEqual(seen({ detections: [] }), []);
});
