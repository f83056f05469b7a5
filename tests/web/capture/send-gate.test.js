import assert from "node:assert/strict";
import { test } from "node:test";

import { SendGate } from "../../../src/sightline/web/capture/send-gate.js";

test("the gate is closed until a connection opens it, then lets through what may be under way", () => {
  const gate = new SendGate();
  assert.equal(gate.ask(0), "closed");
  gate.grant();
  gate.reset(2, 1000);
  assert.deepEqual([gate.ask(0), gate.ask(10), gate.ask(20)], ["go", "go", "skip"]);
  gate.grant();
  assert.deepEqual([gate.ask(30), gate.ask(40)], ["go", "skip"]);
  gate.close();
  assert.equal(gate.ask(50), "closed");
});

test("the gate keeps to the frame rate, however unevenly pictures come", () => {
  const gate = new SendGate();
  gate.reset(1e6, 30);
  let passed = 0;
  let seed = 1;
  for (let i = 0; i < 6000; i += 1) {
    seed = (seed * 48271) % 2147483647;
    const jitter = ((seed % 1000) / 1000 - 0.5) * 12;
    if (gate.ask(i * (1000 / 60) + jitter) === "go") passed += 1;
  }
  assert.ok(passed <= 3002 && passed > 2900, `${passed} of 60 a second for 100 s`);
});

test("the gate lets a camera at just the limit through whole", () => {
  const gate = new SendGate();
  gate.reset(1e6, 30);
  let passed = 0;
  for (let i = 0; i < 300; i += 1) passed += Number(gate.ask(i * (1000 / 30) + (i % 2 ? 6 : -6)) === "go");
  assert.ok(passed >= 298, `${passed}`);
});
