import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { askedInWords, reasonInWords, refusal } from "../../../src/sightline/web/panels/words.js";
import { freeName, isStreamName, streamOf } from "../../../src/sightline/web/lib/stream-name.js";
import { parse } from "../../../src/sightline/web/wire/messages.js";
import { summary } from "../../../src/sightline/web/wire/findings.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/wire.json", import.meta.url), "utf8"));

for (const [name, text] of Object.entries(GOLDEN)) {
  if (name.startsWith("camera_") || name === "viewer_ack" || name === "viewer_performance_stats") continue;
  test(`${name} of the golden file is understood`, () => {
    assert.deepEqual(parse(text), JSON.parse(text));
  });
}

test("what is no message of the server is passed over", () => {
  for (const text of ["", "{", "null", "[]", "7", '{"type":"ack"}', '{"type":["hello"]}', '{"kind":"hello"}']) {
    assert.equal(parse(text), null, text);
  }
});

test("a frame tells what is in it, most frequent first", () => {
  assert.deepEqual(summary(parse(GOLDEN.viewer_frame)), [{ class_id: 1, name: "bus", count: 1, share: 0 }]);
  const detections = [3, 1, 3, 0].map((class_id) => ({ class_id, class_name: `c${class_id}` }));
  assert.deepEqual(
    summary({ detections }).map((s) => `${s.count} ${s.name}`),
    ["2 c3", "1 c0", "1 c1"],
  );
});

test("a segmentation tells its classes and shares, background left out", () => {
  assert.deepEqual(summary(parse(GOLDEN.viewer_frame_segmented)), [{ class_id: 1, name: "bus", count: 0, share: 0.25 }]);
  const segments = [{ class_id: 0, class_name: "background", share: 1 }];
  assert.deepEqual(summary({ detections: [], segments }), []);
});

test("every reason and every refusal has words, also those of a newer server", () => {
  for (const reason of ["replaced", "unwatched", "rate", "loading", "failed", "closed"]) {
    assert.match(reasonInWords(reason), / /);
  }
  assert.equal(reasonInWords("too_dark"), "too dark");
  assert.equal(refusal("stream_busy", "").retry, true);
  assert.equal(refusal("bad_request", "").retry, false);
  assert.equal(refusal("moon_phase", "The moon is full.").text, "The moon is full.");
});

test("names of streams", () => {
  for (const name of ["a", "Webcam-2_x", "x".repeat(64)]) assert.ok(isStreamName(name), name);
  for (const name of ["", "a b", "a/b", "é", "x".repeat(65), "a\n"]) assert.ok(!isStreamName(name), name);
  assert.equal(streamOf("/camera/front-door"), "front-door");
  assert.equal(streamOf("/"), "");
  assert.equal(freeName([]), "webcam");
  assert.equal(freeName(["webcam", "webcam-2", "other"]), "webcam-3");
  assert.equal(freeName(["door"], "door"), "door-2");
});

test("what is asked of a camera is told in words, with its reason", () => {
  assert.equal(
    askedInWords(JSON.parse(GOLDEN.adapt), JSON.parse(GOLDEN.adapt).reason),
    "Up to 13 pictures a second, 480 wide, quality 40 %. Why: pictures wait 60 ms for the model.",
  );
  assert.equal(askedInWords(JSON.parse(GOLDEN.hello), ""), "Up to 30 pictures a second, 640 wide, quality 50 %.");
});
