import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { byValue, valuesAt } from "../../../src/sightline/web/draw/mask.js";
import { MODES, choose, modeNamed } from "../../../src/sightline/web/draw/modes.js";
import { dye } from "../../../src/sightline/web/draw/overlays/blend.js";
import { halvings } from "../../../src/sightline/web/draw/overlays/blur_background.js";
import { edges } from "../../../src/sightline/web/draw/overlays/contours.js";

const here = (path) => new URL(path, import.meta.url);
const boxesOnly = { detections: [{ class_id: 0, class_name: "cat", confidence: 0.9, xyxy: [0, 0, 1, 1] }] };
const classes = { detections: [], segments: [{ class_id: 1, class_name: "person", share: 1 }], mask_kind: "classes" };
const mask = { width: 1, height: 1, values: new Uint8Array([1]) };

test("the modes are the server's", () => {
  const golden = JSON.parse(readFileSync(here("../../golden/modes.json"), "utf8"));
  const ours = MODES.map(({ name, needs, opacity, across = 1 }) => [name, { needs, opacity: opacity * 100, across }]);
  assert.deepEqual(Object.fromEntries(ours), golden);
  const files = readdirSync(here("../../../src/sightline/web/draw/overlays")).map((file) => file.replace(".js", ""));
  assert.deepEqual(files.sort(), Object.keys(golden).sort());
});

test("what nobody chose suits the prediction", () => {
  assert.equal(choose("auto", { findings: boxesOnly, mask: null }, null).mode.name, "boxes");
  assert.equal(choose("auto", { findings: classes, mask }, null).mode.name, "filled");
  assert.equal(choose("sepia", { findings: boxesOnly, mask: null }, null).mode.name, "boxes");
});

test("a mode that a model can't do falls back and says why", () => {
  const without = choose("contours", { findings: boxesOnly, mask: null }, ["person"]);
  assert.equal(without.mode.name, "boxes");
  assert.match(without.why, /Boxes.*“person” gives masks/);
  const empty = choose("contours", { findings: { ...boxesOnly, detections: [] }, mask: null }, null);
  assert.deepEqual([empty.mode.name, empty.why], ["boxes", null]);
  const nobody = choose("blur_background", { findings: classes, mask }, ["background", "bottle"]);
  assert.equal(nobody.mode.name, "filled");
  assert.match(nobody.why, /Filled.*doesn't know people/);
  for (const labels of [["person"], ["wall", "Person; individual"], null]) {
    assert.deepEqual(choose("blur_background", { findings: classes, mask }, labels), {
      mode: modeNamed("blur_background"),
      why: "",
    });
  }
});

test("a mask is scaled without new values in between", () => {
  const small = { width: 2, height: 2, values: new Uint8Array([1, 9, 0, 9]) };
  assert.deepEqual([...valuesAt(small, 4, 2)], [1, 1, 9, 9, 0, 0, 9, 9]);
  assert.deepEqual([...valuesAt(small, 1, 1)], [1]);
});

test("a value stands for its row or its class", () => {
  const detections = [3, 8].map((class_id) => ({ class_id, class_name: "x" }));
  assert.deepEqual([...byValue({ detections, mask_kind: "instances" }, (d) => d.class_id).slice(0, 4)], [0, 3, 8, 0]);
  assert.deepEqual([...byValue(classes, () => 5).slice(0, 3)], [0, 5, 0]);
});

test("edges are inside the area, not at the picture's border, and not where nothing is", () => {
  const table = new Uint32Array(256);
  table[1] = 7;
  const values = new Uint8Array([0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1, 1]); // two rows of six
  const line = edges(values, 6, 2, table);
  assert.deepEqual([...line], [0, 0, 7, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
});

test("a dyed pixel has the shade of its class and its own brightness", () => {
  const shades = new Uint32Array(256);
  shades[1] = 0xff00ff80; // r 128, g 255, b 0
  const data = new Uint8ClampedArray([10, 102, 50, 255, 10, 102, 50, 255]);
  assert.deepEqual([...new Uint8Array(dye(data, new Uint8Array([1, 0]), shades).buffer)], [51, 102, 0, 255, 0, 0, 0, 0]);
});

test("more opacity is more blur, alike at any size", () => {
  const size = { width: 640, height: 360 };
  assert.deepEqual([0.05, 0.25, 0.5, 1].map((s) => halvings(s, size)), [1, 3, 4, 5]);
  assert.equal(halvings(0.5, { width: 1280, height: 720 }), 5);
});

test("areas in place of boxes are told, too (fault 44)", () => {
  const { mode, why } = choose("boxes", { findings: classes, mask }, null);
  assert.equal(mode.name, "filled");
  assert.match(why, /Shown as “Filled”: this model finds areas/);
  assert.equal(choose("boxes", { findings: boxesOnly, mask: null }, null).why, "");
});
