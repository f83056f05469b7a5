import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { summary } from "../../../src/sightline/web/wire/findings.js";
import { parse } from "../../../src/sightline/web/wire/messages.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/wire.json", import.meta.url), "utf8"));
/** Messages that pages send themselves, and events, for which they don't ask. */
const PEERS = ["viewer_ack", "viewer_look", "viewer_performance_stats", "viewer_tiles", "event"];

for (const [name, text] of Object.entries(GOLDEN)) {
  if (name.startsWith("camera_") || PEERS.includes(name)) continue;
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
