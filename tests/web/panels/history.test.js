import assert from "node:assert/strict";
import { test } from "node:test";

import { classesOf, columnsOf, inWords, mostInWords } from "../../../src/sightline/web/panels/history/series.js";

const minute = (at, more = {}) => ({ at, fps: 10, latency_ms: 20, lost: 0, objects: {}, shares: {}, ...more });

test("a minute is a step, and minutes without figures are a gap", () => {
  const minutes = [minute(0), minute(60, { fps: 5, latency_ms: null }), minute(300, { fps: 7 })];
  assert.deepEqual(columnsOf(minutes, [({ fps }) => fps, ({ latency_ms }) => latency_ms]), [
    [0, 59, 60, 119, 120, 300, 359],
    [10, 10, 5, 5, null, 7, 7],
    [20, 20, null, null, null, 20, 20],
  ]);
  assert.deepEqual(columnsOf([], [({ fps }) => fps]), [[], []]);
});

test("classes come by how long they were there, with the most at a time", () => {
  const minutes = [minute(0, { objects: { person: 2, car: 9 } }), minute(60, { objects: { person: 3 } })];
  const found = classesOf(minutes, "objects");
  assert.deepEqual(found.map((one) => mostInWords(one, "objects")), ["3 people", "9 cars"]);
  const painted = [minute(0, { shares: { background: 0.9, person: 0.1 } })];
  assert.deepEqual(classesOf(painted, "shares").map((one) => mostInWords(one, "shares")), ["person 10 %"]);
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`class ${i}`, 1]));
  assert.equal(classesOf([minute(0, { objects: many })], "objects").length, 6);
});

test("the day in a sentence", () => {
  assert.match(inWords([]), /^Nothing was counted/);
  const hours = Array.from({ length: 125 }, (_, i) => minute(i * 60, { lost: i < 2 ? 1 : 0 }));
  assert.equal(
    inWords(hours),
    "2 hours 5 min with pictures in the last 24 hours: on average 10.0 fps and 20 ms in the server. 2 pictures without a result.",
  );
  assert.match(inWords([minute(0, { fps: 0, latency_ms: null, lost: 7 })]), /on average – fps and – in the server/);
});
