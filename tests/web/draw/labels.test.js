import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { faceOf, facesIn, placeLabels } from "../../../src/sightline/web/draw/labels.js";

const PICTURE = { x: 0, y: 0, width: 500, height: 400 };
const named = (x, y, width, height, face = faceOf("person")) => ({ box: { x, y, width, height }, face, widths: [80, 40] });
const common = (a, b) =>
  Math.max(0, Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x)) *
  Math.max(0, Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y));

test("a lone box has its whole name above it", () => {
  const [label] = placeLabels([named(100, 100, 60, 120)], 16, PICTURE);
  assert.deepEqual([label.x, label.y, label.wording], [100, 84, 0]);
});

test("a box at the top or over everything has its name in the picture, and not on its head", () => {
  for (const one of [named(100, 0, 60, 120), named(0, 0, 500, 400), named(470, 2, 30, 60)]) {
    const [label] = placeLabels([one], 16, PICTURE);
    assert.ok(label.x >= 0 && label.x + label.width <= 500 && label.y >= 0 && label.y + 16 <= 400);
    assert.equal(common(label, { ...one.box, height: one.box.height * 0.3 }), 0);
  }
});

test("in a crowd no name hides another or a head, and some step back (fault 45)", () => {
  const crowd = Array.from({ length: 34 }, (_, i) => named(20 + 12 * i, 100 + (i % 7), 30, 90 - (i % 5)));
  const labels = placeLabels(crowd, 16, PICTURE);
  const shown = labels.filter((label) => label !== null);
  assert.ok(shown.length > 0 && shown.length < crowd.length, `${shown.length}`);
  for (const [i, label] of shown.entries()) {
    for (const { box } of crowd) assert.ok(common(label, { ...box, height: box.height * 0.3 }) <= 0.15 * label.width * 16);
    for (const other of shown.slice(0, i)) assert.ok(common(label, other) <= 0.15 * Math.max(label.width, other.width) * 16);
  }
});

test("the shorter wording is taken where the whole one has no room", () => {
  const [label] = placeLabels([named(10, 100, 41, 60)], 16, { x: 0, y: 0, width: 60, height: 400 });
  assert.equal(label.x, 0, "the whole one, moved");
  const heads = [named(-30, 60, 40, 200), named(52, 60, 40, 200)]; // left and right of where it stands
  const labels = placeLabels([named(10, 76, 41, 17, 0), ...heads], 16, PICTURE);
  assert.equal(labels[0]?.wording, 1);
});

test("a face that was found by itself is hidden by no name", () => {
  for (const face of [named(100, 100, 60, 60, faceOf("Face")), named(0, 0, 500, 400, faceOf("Face"))]) {
    const [label, other] = placeLabels([face, named(110, 170, 40, 60, 0)], 16, PICTURE);
    for (const one of [label, other]) assert.ok(!one || common(one, face.box) <= 0.15 * one.width * 16);
  }
});

test("a person's face is above, and other things have none", () => {
  assert.deepEqual(["person", "person, individual", "head", "car"].map(faceOf), [0.3, 0.3, 1, 0]);
  assert.deepEqual(facesIn([named(10, 20, 30, 100), named(0, 0, 9, 9, 0)]), [{ x: 10, y: 20, width: 30, height: 30 }]);
});

test("names are where the server puts them", () => {
  const scenes = JSON.parse(readFileSync(new URL("../../golden/labels.json", import.meta.url), "utf8"));
  for (const { boxes, faces, widths, height, size, placed } of scenes) {
    const all = boxes.map(([x, y, right, bottom], i) => (
      { box: { x, y, width: right - x, height: bottom - y }, face: faces[i], widths: widths[i] }));
    const found = placeLabels(all, height, { x: 0, y: 0, width: size[0], height: size[1] });
    assert.deepEqual(found.map((one) => one && [one.x, one.y, one.wording]), placed);
  }
});
