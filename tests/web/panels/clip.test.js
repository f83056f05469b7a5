import assert from "node:assert/strict";
import { test } from "node:test";

import { clipInWords } from "../../../src/sightline/web/panels/picture/clip.js";

test("a saved clip says how much of it there is", () => {
  assert.equal(clipInWords({ from: 100, to: 140, before_s: 30 }), "Clip saved: the last 30 s and the next 10 s.");
  const words = "Clip saved: the next 30 s, as nothing was recorded before.";
  assert.equal(clipInWords({ from: 100, to: 130, before_s: 0 }), words);
});
