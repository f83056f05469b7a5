import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { askedInWords, reasonInWords, reducedInWords, refusal, transportInWords } from "../../../src/sightline/web/panels/words.js";

const GOLDEN = JSON.parse(readFileSync(new URL("../../golden/wire.json", import.meta.url), "utf8"));

test("every reason and every refusal has words, also those of a newer server", () => {
  for (const reason of ["replaced", "unwatched", "rate", "loading", "failed", "closed"]) {
    assert.match(reasonInWords(reason), / /);
  }
  assert.equal(reasonInWords("too_dark"), "too dark");
  assert.equal(refusal("stream_busy", "").retry, true);
  assert.equal(refusal("bad_request", "").retry, false);
  assert.equal(refusal("moon_phase", "The moon is full.").text, "The moon is full.");
});

test("what is asked of a camera is told in words, with its reason", () => {
  assert.equal(
    askedInWords(JSON.parse(GOLDEN.adapt), JSON.parse(GOLDEN.adapt).reason),
    "Up to 13 pictures a second, 480 wide, quality 40 %. Why: pictures wait 60 ms for the model.",
  );
  assert.equal(askedInWords(JSON.parse(GOLDEN.hello), ""), "Up to 30 pictures a second, 640 wide, quality 50 %.");
});

test("what a stream is reduced to is told with its reason, and nothing where it is not (fault 41)", () => {
  const reason = "6 streams share the model, which does 98 pictures a second";
  const adaptive = { fps: 14.7, quality: 0.5, width: 640, imgsz: null, confidence: null, reason, reduced: true };
  const told = `Up to 15 pictures a second, 640 wide, quality 50 %. Why: ${reason}.`;
  assert.equal(reducedInWords(adaptive), told);
  assert.equal(reducedInWords({ ...adaptive, imgsz: 416 }), `${told} The model's input is 416 now.`);
  assert.equal(reducedInWords({ ...adaptive, reduced: false }), "");
  assert.equal(reducedInWords(null), "");
});

test("the reason is told with the transport", () => {
  assert.equal(transportInWords("websocket", "no UDP path"), "no UDP path: using WebSocket.");
  assert.equal(transportInWords("websocket", ""), "Connected over WebSocket.");
});
