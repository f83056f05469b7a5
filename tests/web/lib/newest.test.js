import assert from "node:assert/strict";
import { test } from "node:test";

import { Newest } from "../../../src/sightline/web/lib/newest.js";

test("an answer is shown unless a newer one is, or something was changed since it was asked for", () => {
  const newest = new Newest();
  const [first, second, third] = [newest.ask(), newest.ask(), newest.ask()];
  assert.deepEqual([second, first, second, third].map((asked) => newest.takes(asked)), [true, false, true, true]);
  const before = newest.ask();
  newest.changed();
  assert.deepEqual([before, newest.ask()].map((asked) => newest.takes(asked)), [false, true]);
});
