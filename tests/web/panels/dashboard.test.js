import assert from "node:assert/strict";
import { test } from "node:test";

import { arrange } from "../../../src/sightline/web/panels/dashboard/arrange.js";
import { grid, screens } from "../../../src/sightline/web/panels/wall/grid.js";

const stream = (name, group = "", state = "live", display_name = name) => ({ name, group, state, display_name });
const shown = (groups) => groups.map(({ name, streams }) => [name, ...streams.map((s) => s.name)]);

test("streams stand in the server's order, those without a group first, and groups by name", () => {
  const streams = [stream("z", "Yard"), stream("b"), stream("a", "attic"), stream("c", "Yard"), stream("d")];
  assert.deepEqual(shown(arrange(streams, "own", "")), [["", "b", "d"], ["attic", "a"], ["Yard", "z", "c"]]);
  assert.deepEqual(arrange([], "own", ""), []);
});

test("by name numbers count as numbers, and trouble comes first where that is wanted", () => {
  const streams = [stream("camera10"), stream("camera9"), stream("x", "", "waiting"), stream("y", "", "reconnecting")];
  assert.deepEqual(shown(arrange(streams, "name", "")), [["", "camera9", "camera10", "x", "y"]]);
  assert.deepEqual(shown(arrange(streams, "trouble", "")), [["", "y", "x", "camera9", "camera10"]]);
});

test("a search finds what has all words in its names or group, whatever their case", () => {
  const streams = [stream("door1", "Hof", "live", "Tür vorn"), stream("door2", "Haus", "live", "Tür hinten"), stream("x")];
  assert.deepEqual(shown(arrange(streams, "own", "tür HOF")), [["Hof", "door1"]]);
  assert.deepEqual(shown(arrange(streams, "own", "door2")), [["Haus", "door2"]]);
  assert.deepEqual(arrange(streams, "own", "nothing"), []);
});

test("the wall's pictures are as large as the screen lets them be", () => {
  assert.deepEqual(grid(1, 1920, 1080), { columns: 1, rows: 1, across: 1920 });
  assert.deepEqual(grid(4, 1920, 1080), { columns: 2, rows: 2, across: 960 });
  assert.equal(grid(3, 390, 844).columns, 1);
});

test("more than fit are spread over screens, each stream once and all in order", () => {
  for (const [width, height] of [[1920, 1080], [1280, 800], [390, 844], [320, 480], [844, 390], [1, 1]]) {
    for (const count of [0, 1, 2, 7, 17, 100]) {
      const names = Array.from({ length: count }, (_, i) => i);
      const all = screens(names, width, height);
      assert.deepEqual(all.flat(), names);
      const sizes = all.map((screen) => screen.length);
      assert.ok(sizes.every((n) => n > 0) && (sizes.length < 2 || Math.min(...sizes.slice(0, -1)) >= Math.max(...sizes)), sizes);
    }
  }
  assert.equal(screens(Array(12).fill(0), 1920, 1080).length, 1);
  assert.ok(screens(Array(12).fill(0), 390, 844).length > 2);
});
