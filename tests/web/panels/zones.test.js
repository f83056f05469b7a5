import assert from "node:assert/strict";
import { test } from "node:test";

import { freeColor, lineWords, zoneWords } from "../../../src/sightline/web/draw/zone-layer.js";
import { arrow, labelPlace } from "../../../src/sightline/web/draw/zones.js";
import { Draft, MOST_POINTS } from "../../../src/sightline/web/panels/zones/draft.js";
import { Crossings, inZone } from "../../../src/sightline/web/panels/zones/preview.js";
import { hintFor } from "../../../src/sightline/web/panels/zones/tools.js";
import {
  freshName,
  inWords,
  lately,
  lasted,
  nameProblem,
  speedInWords,
  zoneRows,
} from "../../../src/sightline/web/panels/zones/words.js";

const CORNERS = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]];

function drawn(kind, points) {
  const draft = new Draft(kind);
  for (const point of points) draft.add(point);
  return draft;
}

test("a zone is drawn corner by corner, closed, and changed", () => {
  const draft = drawn("zone", CORNERS);
  assert.ok(draft.open);
  draft.close();
  assert.ok(!draft.add([0.5, 0.5]), "it is closed");
  assert.ok(draft.insert(3));
  assert.deepEqual([draft.points[4], draft.selected], [[0.1, 0.5], 4]);
  draft.move(4, [-3, 0.123456]);
  assert.deepEqual(draft.points[4], [0, 0.1235], "in the picture");
  draft.remove(4);
  assert.deepEqual(draft.points, CORNERS);
  draft.undo();
  draft.undo();
  draft.undo();
  assert.deepEqual([draft.points, draft.open], [CORNERS, false]);
  draft.undo();
  assert.ok(draft.open, "also that it was closed is a step");
  for (const _ of CORNERS) draft.undo();
  assert.deepEqual([draft.points, draft.canUndo, draft.selected], [[], false, -1]);
  for (const _ of Array(9)) draft.redo();
  assert.deepEqual(draft.points, CORNERS);
});

test("what is put and dragged at once is one step, and the next drag another", () => {
  const draft = drawn("zone", CORNERS.slice(0, 2));
  draft.settle();
  draft.add([0.5, 0.5]);
  draft.move(2, [0.6, 0.6], true);
  draft.move(2, [0.7, 0.7], true);
  draft.settle();
  draft.move(2, [0.8, 0.8], true);
  draft.settle();
  draft.undo();
  assert.deepEqual(draft.points[2], [0.7, 0.7]);
  draft.undo();
  assert.equal(draft.points.length, 2);
});

test("a zone that loses a corner too many is open again; it has at most so many", () => {
  const draft = drawn("zone", CORNERS.slice(0, 3));
  draft.close();
  draft.remove(0);
  assert.ok(draft.open);
  assert.match(draft.problem, /1 more/);
  const full = drawn("zone", Array.from({ length: MOST_POINTS + 5 }, (_, n) => [n / 200, (n / 200) ** 2]));
  assert.equal(full.points.length, MOST_POINTS);
  full.close();
  assert.ok(!full.insert(3));
});

test("a line has two ends, and can be turned", () => {
  const draft = drawn("line", [[0.5, 1], [0.5, 0], [0.2, 0.2]]);
  assert.deepEqual([draft.points, draft.open], [[[0.5, 1], [0.5, 0]], false]);
  draft.turn();
  assert.deepEqual(draft.points, [[0.5, 0], [0.5, 1]]);
  assert.ok(!draft.insert(0));
  draft.move(0, [0.5, 1]);
  assert.match(draft.problem, /same place/);
});

test("an outline that crosses itself is told with the edges", () => {
  const draft = drawn("zone", [[0, 0], [1, 1], [1, 0], [0, 1]]);
  assert.match(draft.problem, /edges 1–2 and 3–4 meet/);
  assert.equal(hintFor(draft, false), draft.problem);
  assert.match(drawn("zone", [[0, 0], [0.001, 0], [0, 0.001]]).problem, /too small/);
});

test("what to do next is told for mouse and finger", () => {
  assert.match(hintFor(new Draft("zone"), false), /^Click the corners.*Enter/);
  assert.match(hintFor(new Draft("line"), true), /^Tap the two ends of the line\.$/);
  assert.match(hintFor(drawn("zone", CORNERS), true), /first one to close/);
});

function picture(...boxes) {
  const detections = boxes.map(([tracker_id, x, bottom, class_name = "person"]) => ({
    ...{ tracker_id, class_name, class_id: 0, confidence: 1 },
    xyxy: [100 * x - 5, 100 * bottom - 20, 100 * x + 5, 100 * bottom],
  }));
  return { width: 100, height: 100, findings: { detections } };
}

const LINE = { points: [[0.5, 1], [0.5, 0]], classes: null, min_size: 0, anchor: "bottom" };

test("who is in a zone that is being drawn is counted by class, by anchor and size", () => {
  const zone = { ...LINE, points: CORNERS };
  const seen = picture([1, 0.5, 0.5], [2, 0.05, 0.5], [3, 0.5, 0.95], [undefined, 0.5, 0.5], [4, 0.4, 0.4, "car"]);
  assert.deepEqual(inZone(seen, zone), { person: 1, car: 1 });
  assert.deepEqual(inZone(seen, { ...zone, anchor: "center" }), { person: 2, car: 1 });
  assert.deepEqual(inZone(seen, { ...zone, classes: ["car"] }), { car: 1 });
  assert.deepEqual(inZone(seen, { ...zone, min_size: 0.5 }), {});
});

test("who crosses a line that is being drawn is counted each way, anew for another line", () => {
  const crossed = new Crossings();
  for (const x of [0.3, 0.7, 0.8, 0.2, 0.9]) crossed.take(picture([1, x, 0.5], [2, 0.2, 0.5]), LINE);
  assert.deepEqual([crossed.in, crossed.out], [2, 1]);
  crossed.take(picture([1, 0.1, 0.5]), { ...LINE, points: LINE.points.toReversed() });
  assert.deepEqual([crossed.in, crossed.out], [0, 0]);
});

test("figures in words", () => {
  const counts = { now: { person: 2 }, entered: { person: 5, car: 9 }, left: { person: 3 }, dwell: { person: { mean: 3.21, longest: 80 } }, most: 2 };
  assert.deepEqual(zoneWords(counts), ["2 now · 14 in · 3 out", "2 / 14 / 3"]);
  assert.deepEqual(lineWords({ in: {}, out: { car: 1 } })[0], "0 in · 1 out");
  assert.deepEqual(zoneWords(undefined), []);
  assert.deepEqual(zoneRows(counts), [
    { name: "car", cells: ["9", "0", "–", "–"] },
    { name: "person", cells: ["5", "3", "3.2 s", "80 s"] },
  ]);
  assert.equal(inWords({ person: 2, car: 0, dog: 3 }), "3 dogs, 2 people");
  assert.deepEqual([lasted(0), lasted(120), lasted(7200)], ["0.0 s", "2 min", "2.0 h"]);
  const of = { since: 1, total: { in: {}, out: {} }, hours: { "2026-11-29T23": { in: { person: 1 }, out: {} } }, days: { "2026-11-29": { in: { person: 4 }, out: { person: 2 } } } };
  assert.deepEqual(lately("line", of, "2026-11-29T23"), [["This hour", "1 in, 0 out"], ["Today", "4 in, 2 out"]]);
  assert.deepEqual(lately("zone", of, "2026-11-30T00"), [["This hour", "nothing"], ["Today", "nothing"]]);
  assert.equal(speedInWords([10, 9.5, 10.4]), "36 km/h (34 to 37)");
});

test("names and colours are free ones", () => {
  assert.equal(freshName("zone", ["zone-1", "zone-3"]), "zone-2");
  assert.notEqual(nameProblem("", []), "");
  assert.notEqual(nameProblem("Tür", []), "");
  assert.match(nameProblem("drive", ["drive"]), /already/);
  assert.equal(nameProblem("drive-2", ["drive"]), "");
  assert.notEqual(freeColor(["#33aaff"]), "#33aaff");
});

test("labels stay in the picture, off each other and off the arrow, and move only where they must", () => {
  const picture = { x: 0, y: 0, width: 100, height: 100 };
  const size = { width: 40, height: 10 };
  const whole = [[0, 0], [100, 0], [100, 100], [0, 100]];
  const place = (kind, points, kept, before = 0) => labelPlace(kind, points, size, { picture, kept, before });
  const first = place("zone", whole, []);
  assert.deepEqual(first, { x: 30, y: 90, ...size, spot: 0 });
  const second = place("zone", whole, [first]);
  assert.ok(second.y + second.height <= first.y);
  assert.equal(place("zone", whole, [], second.spot).spot, second.spot, "it stays though it could go back");
  assert.equal(place("zone", whole, [second], second.spot).spot, 0);
  assert.equal(place("zone", whole, [picture]).spot, 0, "nothing is free");
  const beside = place("line", [[60, 100], [60, 0]], []);
  assert.ok(beside.x + beside.width < 60, "the arrow is on the right");
  assert.deepEqual(arrow([60, 100], [60, 0], 10)[0], [[60, 50], [70, 50]]);
});
