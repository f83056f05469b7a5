import assert from "node:assert/strict";
import { test } from "node:test";

import { fileName } from "../../../src/sightline/web/lib/file-name.js";
import { WHOLE, framed } from "../../../src/sightline/web/lib/geometry.js";
import { CLOSEST, fitted, isWhole, moved, swiped, zoomed } from "../../../src/sightline/web/lib/view.js";

const PICTURE = { width: 640, height: 360 };
const AREAS = [{ width: 1280, height: 720 }, { width: 400, height: 700 }, { width: 900, height: 300 }];

const place = (view, area) => framed(PICTURE.width, PICTURE.height, area.width, area.height, view);
const under = ([x, y], { x: left, y: top, width, height }) => [(x - left) / width, (y - top) / height];
const close = (a, b) => a.forEach((n, i) => assert.ok(Math.abs(n - b[i]) < 1e-9, `${a} is not ${b}`));

/** Numbers that come the same each time. */
function numbers(seed) {
  return () => (seed = (seed * 16807) % 2147483647) / 2147483647;
}

test("what is under the pointer stays there, as far as the picture's edge allows", () => {
  const area = AREAS[0];
  const at = [900, 200];
  let view = WHOLE;
  for (const by of [1.5, 2, 0.8, 1.1]) {
    const before = under(at, place(view, area));
    view = zoomed(view, by, at, PICTURE, area);
    close(under(at, place(view, area)), before);
  }
});

test("whatever is done, no gap opens at one side, and the zoom keeps its limits", () => {
  const next = numbers(7);
  for (const area of AREAS) {
    let view = WHOLE;
    for (let n = 0; n < 300; n += 1) {
      if (next() < 0.05) view = fitted(view);
      else if (next() < 0.5) view = moved(view, [2000 * (next() - 0.5), 2000 * (next() - 0.5)], PICTURE, area);
      else view = zoomed(view, 0.3 + 2 * next(), [area.width * next(), area.height * next()], PICTURE, area);
      const { x, y, width, height } = place(view, area);
      assert.ok(view.zoom >= 1 && view.zoom <= CLOSEST);
      for (const [start, length, room] of [[x, width, area.width], [y, height, area.height]]) {
        if (length <= room) assert.ok(Math.abs(start - (room - length) / 2) < 1e-6);
        else assert.ok(start <= 1e-6 && start + length >= room - 1e-6, `${start} ${length} ${room}`);
      }
      close([width / height], [640 / 360]);
    }
  }
});

test("a move that ends at the edge begins there the next time", () => {
  const area = AREAS[0];
  const close3 = zoomed(WHOLE, 3, [640, 360], PICTURE, area);
  const far = moved(close3, [99_999, 0], PICTURE, area);
  assert.equal(place(far, area).x, 0);
  close([place(moved(far, [-10, 0], PICTURE, area), area).x], [-10]);
});

test("a picture that fills its area hides some of itself, and a change of the area keeps what is in the middle", () => {
  const fill = fitted(WHOLE);
  assert.deepEqual(place(fill, AREAS[1]), { x: (400 - 700 / 9 * 16) / 2, y: 0, width: 700 / 9 * 16, height: 700 });
  assert.deepEqual([isWhole(fill), isWhole(fitted(fill)), isWhole(WHOLE)], [false, true, true]);
  const view = { ...WHOLE, zoom: 4, x: 0.3, y: 0.6 };
  for (const area of [AREAS[0], { width: 700, height: 500 }]) {
    close(under([area.width / 2, area.height / 2], place(view, area)), [0.3, 0.6]);
  }
});

test("zooming out to the whole puts it in the middle again", () => {
  const view = zoomed({ ...WHOLE, zoom: 2, x: 0.25, y: 0.25 }, 0.1, [3, 3], PICTURE, AREAS[0]);
  assert.deepEqual(view, WHOLE);
});

test("a finger that goes across leads on, one that goes down, up or hardly at all does not", () => {
  const from = [500, 300];
  const ways = [[-60, 0], [200, -90], [59, 0], [-80, 41], [0, 300], [0, 0]];
  assert.deepEqual(ways.map(([x, y]) => swiped(from, [500 + x, 300 + y])), [1, -1, 0, 0, 0, 0]);
});

test("a file has the stream's name and the person's time, whatever the name is", () => {
  const at = new Date(2026, 10, 30, 9, 5, 7);
  assert.equal(fileName("door", at, "png"), "door 2026-11-30 09-05-07.png");
  assert.equal(fileName("Küche 🍳", at, "png"), "Küche 🍳 2026-11-30 09-05-07.png");
  assert.equal(fileName("../a:b\n?", at, "png"), "-a-b- 2026-11-30 09-05-07.png");
  for (const empty of ["", "..", " . "]) assert.equal(fileName(empty, at, "png"), "stream 2026-11-30 09-05-07.png");
});
