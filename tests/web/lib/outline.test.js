import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { History } from "../../../src/sightline/web/lib/history.js";
import {
  area,
  contains,
  crossings,
  nearestEdge,
  nearestPoint,
  rightOf,
  side,
} from "../../../src/sightline/web/lib/outline.js";

const SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1]];
const BOW = [[0, 0], [1, 1], [1, 0], [0, 1]];

test("edges that cross or touch are found, as the server finds them", () => {
  const golden = JSON.parse(readFileSync(new URL("../../golden/outlines.json", import.meta.url), "utf8"));
  for (const { points, meet } of golden) assert.equal(crossings(points).length > 0, meet, JSON.stringify(points));
  assert.deepEqual(crossings(BOW), [[0, 2]]);
  assert.deepEqual(crossings(SQUARE), []);
});

test("a place is in an area or not, whatever its shape", () => {
  const hook = [[0, 0], [3, 0], [3, 3], [2, 3], [2, 1], [0, 1]];
  for (const [at, inside] of [[[0.5, 0.5], true], [[1, 2], false], [[2.5, 2.5], true], [[4, 1], false]]) {
    assert.equal(contains(hook, at), inside, at);
    assert.equal(contains(hook.toReversed(), at), inside, at);
  }
  assert.equal(area(hook), 5);
});

test("the nearest point or edge is meant, if it is near enough", () => {
  assert.equal(nearestPoint(SQUARE, [0.9, 0.1], 0.5), 1);
  assert.equal(nearestPoint(SQUARE, [0.5, 0.5], 0.5), -1);
  assert.equal(nearestEdge(SQUARE, [0.5, 0.9], 0.2), 2);
  assert.equal(nearestEdge(SQUARE, [-0.1, 0.5], 0.2), 3, "the edge that closes it");
  assert.equal(nearestEdge(SQUARE, [1.5, 1.5], 0.2), -1, "not beyond its ends");
});

test("right of a way is in: upwards that is where x grows", () => {
  assert.ok(side([0.5, 1], [0.5, 0], [0.9, 0.5]) > 0);
  assert.deepEqual(rightOf([0.5, 1], [0.5, 0]), [1, 0]);
});

test("steps are undone and done again; a drag is one step", () => {
  const history = new History(0);
  history.push(1);
  history.settle();
  for (const n of [2, 3, 4]) history.push(n, true);
  history.settle();
  history.push(5, true);
  history.undo();
  assert.equal(history.now, 4);
  history.undo();
  assert.equal(history.now, 1);
  history.redo();
  assert.equal(history.now, 4);
  history.push(9);
  assert.equal(history.canRedo, false, "another way was taken");
  for (const _ of Array(9)) history.undo();
  assert.deepEqual([history.now, history.canUndo], [0, false]);
});
