import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { SteadyEdges } from "../../../src/sightline/web/infer/steady.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/steady.json", import.meta.url), "utf8"));
const grey = (text) => Uint8Array.from(Buffer.from(text, "base64"));

test("the page that infers shows the alpha that Python would show", () => {
  const steady = new SteadyEdges();
  let smoothed = 0;
  for (const { at, width, height, alpha, shown } of GOLDEN) {
    const mask = { width: 1, height: 1, values: new Uint8Array(1), alpha: { width, height, values: grey(alpha) } };
    const now = steady.show(mask, at);
    smoothed += Number(now !== mask);
    const wanted = grey(shown);
    now.alpha.values.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= 1, `${value}: ${wanted[i]}`));
  }
  assert.ok(smoothed >= 5 && smoothed < GOLDEN.length - 2, `${smoothed} of ${GOLDEN.length} are smoothed`);
});

test("a mask without an alpha passes, and what was before is forgotten", () => {
  const steady = new SteadyEdges();
  const soft = (value) => ({ width: 1, height: 1, values: new Uint8Array(1), alpha: { width: 1, height: 1, values: Uint8Array.of(value) } });
  const hard = { width: 1, height: 1, values: new Uint8Array(1), alpha: null };
  assert.equal(steady.show(soft(120), 0).alpha.values[0], 120);
  assert.ok(steady.show(soft(140), 0.04).alpha.values[0] < 125);
  assert.equal(steady.show(hard, 0.08), hard);
  assert.equal(steady.show(null, 0.1), null);
  assert.equal(steady.show(soft(140), 0.12).alpha.values[0], 140);
});
