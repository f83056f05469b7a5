import assert from "node:assert/strict";
import { test } from "node:test";

import { freeName, isStreamName, streamOf } from "../../../src/sightline/web/lib/stream-name.js";

test("names of streams", () => {
  for (const name of ["a", "Webcam-2_x", "x".repeat(64)]) assert.ok(isStreamName(name), name);
  for (const name of ["", "a b", "a/b", "é", "x".repeat(65), "a\n"]) assert.ok(!isStreamName(name), name);
  assert.equal(streamOf("/camera/front-door"), "front-door");
  assert.equal(streamOf("/"), "");
  assert.equal(freeName([]), "webcam");
  assert.equal(freeName(["webcam", "webcam-2", "other"]), "webcam-3");
  assert.equal(freeName(["door"], "door"), "door-2");
});
