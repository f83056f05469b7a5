import assert from "node:assert/strict";
import { test } from "node:test";

import { placeLabels } from "../../../src/sightline/web/draw/labels.js";

const PICTURE = { x: 0, y: 0, width: 500, height: 400 };
const named = (x, y, width, height, person = true) => ({ box: { x, y, width, height }, person, widths: [80, 40] });
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
  const labels = placeLabels([named(10, 76, 41, 17, false), ...heads], 16, PICTURE);
  assert.equal(labels[0]?.wording, 1);
});
