import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { quantized } from "../../../src/sightline/web/infer/runtime.js";

const WEIGHTS = new URL("../../../src/sightline/weights/", import.meta.url);

test("a file is known to compute in integers by its operators, not by a name in it", () => {
  assert.equal(quantized(readFileSync(new URL("nano.onnx", WEIGHTS))), true);
  assert.equal(quantized(readFileSync(new URL("person.onnx", WEIGHTS))), true);
  assert.equal(quantized(Buffer.from("\x0a\x0eQuantizeLinear\x22\x04Conv", "latin1")), false);
  assert.equal(quantized(new Uint8Array()), false);
});
