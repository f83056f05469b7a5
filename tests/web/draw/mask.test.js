import assert from "node:assert/strict";
import { test } from "node:test";

import { maskColors } from "../../../src/sightline/web/draw/mask.js";
import { color } from "../../../src/sightline/web/lib/palette.js";

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
  assert.deepEqual([table[15] & 255, (table[15] >> 8) & 255, (table[15] >> 16) & 255], [...color(15)]);
  assert.equal(table[15] >>> 24, 255);
});

test("a mask of a kind that nobody here knows colours nothing", () => {
  const detections = [{ class_id: 7, class_name: "x", confidence: 1, xyxy: [0, 0, 1, 1] }];
  assert.ok(maskColors({ detections, mask_kind: "depth" }).every((value) => value === 0));
});
