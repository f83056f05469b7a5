/** The timeline's own arithmetic and words. */

import assert from "node:assert/strict";
import { test } from "node:test";

const TIMELINE = "../../../src/sightline/web/panels/timeline";
const { without } = await import(`${TIMELINE}/filter.js`);
const { around, bucketOf, dayAround, shareOf, ticks, timeAt, zoomed } = await import(`${TIMELINE}/scale.js`);
const { gapInWords, recordedInWords } = await import(`${TIMELINE}/words.js`);
const { bannerOf } = await import("../../../src/sightline/web/pages/timeline-state.js");

const NOON = new Date(2026, 10, 30, 12).getTime() / 1000;

test("a place on the strip and its time are the same", () => {
  const span = around(NOON, 3_600, false);
  for (const at of [span.from, NOON - 7.5, NOON, span.to]) assert.ok(Math.abs(timeAt(span, shareOf(span, at)) - at) < 1e-3);
  assert.equal(timeAt(span, 7), span.to, "there is nothing beyond the strip");
});

test("zooming keeps the time under the pointer where it is", () => {
  const span = around(NOON, 3_600, true);
  const at = NOON - 900;
  const closer = zoomed(span, 0.5, at);
  assert.equal(closer.to - closer.from, 1_800);
  assert.ok(Math.abs(shareOf(closer, at) - shareOf(span, at)) < 1e-9);
  assert.equal(zoomed(span, 1e9, at).to - zoomed(span, 1e9, at).from, 86_400);
});

test("times on the axis are full ones, and no more than have room", () => {
  const found = ticks(around(NOON, 6 * 3_600, false), 8);
  assert.ok(found.length >= 4 && found.length <= 8);
  assert.ok(found.every((at) => (at - dayAround(NOON).from) % 3_600 === 0));
});

test("a mark stands for whole tens of seconds", () => {
  for (const length of [60, 600, 3_600, 86_400]) {
    const bucket = bucketOf(around(NOON, length, true));
    assert.equal(bucket % 10, 0);
    assert.ok(length / bucket <= 480);
  }
});

test("a class that is left out takes its part of the mask with it, and others keep theirs", () => {
  const detections = ["person", "car", "person"].map((class_name, class_id) => ({ class_name, class_id, confidence: 1, xyxy: [0, 0, 1, 1] }));
  const picture = { image: {}, width: 4, height: 1, findings: { detections }, mask: { width: 4, height: 1, values: Uint8Array.of(0, 1, 2, 3) } };
  const left = without(picture, new Set(["person"]));
  assert.deepEqual(left.findings.detections, [detections[1]]);
  assert.deepEqual([...left.mask.values], [0, 0, 1, 0]);
  assert.equal(without(picture, new Set(["dog"])), picture);
});

test("areas that are left out keep the meaning of the mask's values", () => {
  const segments = [{ class_id: 3, class_name: "sky", share: 0.5 }, { class_id: 5, class_name: "road", share: 0.5 }];
  const mask = { width: 2, height: 1, values: Uint8Array.of(3, 5) };
  const left = without({ image: {}, width: 2, height: 1, findings: { detections: [], segments, mask_kind: "classes" }, mask }, new Set(["sky"]));
  assert.deepEqual(left.findings.segments, [segments[1]]);
  assert.equal(left.mask, mask);
});

test("gaps say why", () => {
  assert.match(gapInWords({ from: 0, to: 90, reason: "disk full" }), /1 min 30 s: the disk was full/);
  assert.match(gapInWords({ from: 0, to: 5, reason: "a new word" }), /a new word/);
});

test("a stream's recording is told with what was lost", () => {
  const one = { mode: "always", recording: true, why: null, bytes: 2e9, first_at: 1, last_at: 2, written: 5, lost: { "disk full": 3, other: 0 } };
  assert.equal(recordedInWords(one), "Always recorded. Recording now. 2.0 GB are kept. Pictures that were lost: 3 (the disk was full).");
  assert.match(recordedInWords(undefined), /not recorded/);
});

test("where nothing is recorded, it says how to begin", () => {
  const pressed = [];
  const does = { retry: () => pressed.push("retry"), record: () => pressed.push("record") };
  const base = { refused: null, state: "none", refusal: null, retryAt: 0, stopped: "", nothing: true, stream: "door", canRecord: true, streams: ["door"] };
  const told = bannerOf(base, does);
  assert.match(told.text, /\[streams\.door\] record = "always"/);
  told.actions[0].run();
  assert.deepEqual(pressed, ["record"]);
  assert.deepEqual(bannerOf({ ...base, stream: "", canRecord: false }, does).actions, [{ text: "door", href: "/timeline?stream=door" }]);
  assert.equal(bannerOf({ ...base, nothing: false }, does), null);
  assert.match(bannerOf({ ...base, nothing: false, stopped: "disk full" }, does).text, /disk was full/);
  assert.match(bannerOf({ ...base, refused: { status: 0, code: "", message: "" } }, does).title, /doesn't answer/);
  assert.equal(bannerOf({ ...base, refused: { status: 403, code: "forbidden", message: "" } }, does).actions[0].href, "/join");
});

test("an export is told in words", async () => {
  const { exportInWords } = await import(`${TIMELINE}/export-words.js`);
  const one = { kind: "drawn", format: "webm", speed: 4, state: "running", progress: 0.426 };
  assert.equal(exportInWords(one), "WebM · with overlay · 4× · 42 %");
  assert.equal(exportInWords({ ...one, format: "pictures", kind: "recorded", speed: 1, state: "done" }), "COCO (ZIP) · as recorded");
});

test("where one may look is not known while the server is away, and what may not be asked is left out", async () => {
  const { placesOf } = await import(`${TIMELINE}/places.js`);
  const answers = { zones: { zones: { drive: {} }, lines: { gate: {} } }, rules: { error: { code: "forbidden", message: "no" } } };
  globalThis.fetch = async (path) => {
    const what = path.split("/").at(-1);
    return Response.json(answers[what], { status: what === "rules" ? 403 : 200 });
  };
  assert.deepEqual(await placesOf("door"), { zones: ["drive", "gate"], rules: [] });
  globalThis.fetch = async () => Promise.reject(new TypeError("away"));
  assert.deepEqual([await placesOf("door"), await placesOf("")], [null, null]);
});
