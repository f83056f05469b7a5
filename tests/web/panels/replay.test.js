/** What a replay found, in words and numbers. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { laneInWords } from "../../../src/sightline/web/panels/timeline/replay/lane.js";
import {
  differenceAt, differenceBeside, firingsOf, foundInWords, hourOf, rowsOf, summaryOf,
} from "../../../src/sightline/web/panels/timeline/replay/rows.js";

const SIDE = { models: ["nano"], frames: 9, classes: {}, zones: {}, lines: {}, fired: {}, events: [] };

/** @param {object} then @param {object} now @param {object} more */
const outcome = (then, now, more = {}) => ({
  stream: "door", since: 0, until: 10, frames: 9, both: 9, differing: 0, differences: [],
  then: { ...SIDE, ...then }, now: { ...SIDE, ...now }, ...more,
});

test("numbers stand side by side, also where one side has none", () => {
  const rows = rowsOf(outcome(
    { classes: { dog: { frames: 5, most: 1, objects: 2 } }, zones: { lawn: { into: { dog: 1 }, out: {} } }, fired: { stays: 1 } },
    { classes: { cat: { frames: 1, most: 1, objects: 1 } }, lines: { gate: { into: {}, out: { cat: 2 } } }, fired: { stays: 3 } },
  ));
  assert.deepEqual(rows.map(({ what, then, now }) => `${what} ${then} ${now}`), [
    "cat: objects 0 1", "cat: frames 0 1", "dog: objects 2 0", "dog: frames 5 0",
    "lawn: dog entered 1 –", "lawn: dog left 0 –", "gate: cat in – 0", "gate: cat out – 2", "Rule stays 1 3",
  ]);
});

test("a summary says how much differs", () => {
  assert.equal(summaryOf(outcome({}, { models: ["large"] }, { differing: 4 })), "Then nano, now large. 4 of 9 frames differ.");
  assert.equal(summaryOf(outcome({}, {})), "Then nano, now nano. All 9 frames are the same.");
  assert.match(summaryOf(outcome({ models: [] }, {}, { both: 0 })), /^Then no model, now nano\. None of the 9 frames has a result of then\.$/);
});

test("the frames that differ are found from any time on, both ways", () => {
  const found = outcome({}, {}, { differences: [1, 2, 3].map((at) => ({ at })) });
  assert.equal(differenceBeside(found, NaN, 1)?.at, 1);
  assert.equal(differenceBeside(found, 1, 1)?.at, 2);
  assert.equal(differenceBeside(found, 2.0001, 1)?.at, 3);
  assert.equal(differenceBeside(found, 2.5, -1)?.at, 2);
  assert.equal(differenceBeside(found, 1, -1), undefined);
  assert.equal(differenceAt(found, 2.0001)?.at, 2);
  assert.equal(differenceAt(found, 2.1), undefined);
  assert.equal(foundInWords([{ class_name: "dog", confidence: 0.904 }]), "dog 90 %");
  assert.equal(foundInWords([]), "nothing");
});

test("rules of both sides are told in order", () => {
  const fired = (at) => ({ at, kind: "rule", name: "stays", class_name: "", direction: "", seconds: null });
  const told = firingsOf(outcome({ events: [fired(5), { ...fired(1), kind: "zone" }] }, { events: [fired(2), fired(7)] }));
  assert.deepEqual(told.map(({ at, words }) => [at, words.slice(-4)]), [[2, " now"], [5, "then"], [7, " now"]]);
});

test("a place on the strip says what happens there now, or that a frame differs", () => {
  const event = (more) => ({ at: 5, kind: "zone", name: "lawn", class_name: "dog", direction: "", seconds: 2, ...more });
  const found = outcome({}, { events: [event(), event({ at: 20, kind: "rule", name: "stays", seconds: null })] }, { differences: [{ at: 1 }] });
  assert.equal(laneInWords(found, 6.5, 0.1), "Now: Dog in lawn for 2 s");
  assert.equal(laneInWords(found, 19.95, 0.1), "Now: Stays: dog seen");
  assert.equal(laneInWords(found, 1.05, 0.1), "Differs");
  assert.equal(laneInWords(found, 12, 0.1), "");
});

test("of a long span the hour around the picture is looked at", () => {
  assert.deepEqual(hourOf({ from: 0, to: 600 }, 9), { from: 0, to: 600 });
  for (const [at, from] of [[5_000, 3_200], [100, 0], [9_990, 6_400], [NaN, 6_400], [20_000, 6_400]]) {
    assert.deepEqual(hourOf({ from: 0, to: 10_000 }, at), { from, to: from + 3_600 }, `${at}`);
  }
});
