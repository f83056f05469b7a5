import assert from "node:assert/strict";
import { test } from "node:test";

import { bannerOf, rightInWords } from "../../../src/sightline/web/pages/models-state.js";
import {
  factsOf,
  labelsInWords,
  notGotInWords,
  removalInWords,
  sentence,
  totalsInWords,
  unsendable,
} from "../../../src/sightline/web/panels/models/words.js";

const model = (changes = {}) => ({
  ...{ name: "detect", licence: "Apache-2.0", size_bytes: 36e6, gettable: 0, memory_bytes: 0, usable: true, source: "" },
  ...{ input_size: [640, 640], task: "detect", labels: [], streams: [], ...changes },
});

test("a model's facts: its download where it is not here, its memory where it is", () => {
  assert.deepEqual(factsOf(model()), [["Size", "36 MB"], ["Licence", "Apache-2.0"], ["Input", "640 × 640"], ["Memory", "not loaded"]]);
  const lacking = Object.fromEntries(factsOf(model({ usable: false, gettable: 44e6, size_bytes: 0, licence: "", input_size: null })));
  assert.deepEqual(lacking, { Size: "44 MB", Licence: "unknown", Input: "any size" });
  assert.equal(Object.fromEntries(factsOf(model({ size_bytes: 0 }))).Size, "no file");
});

test("the totals count what is here", () => {
  const models = [model({ memory_bytes: 120e6 }), model(), model({ usable: false })];
  assert.equal(totalsInWords(models, 8e9), "2 here · 1 in memory: 120 MB of 8.0 GB");
});

test("of many labels the first are told", () => {
  assert.equal(labelsInWords(["ant", "bee"]), "ant, bee");
  assert.equal(labelsInWords([]), "none");
  assert.match(labelsInWords(Array.from({ length: 80 }, (_, i) => `c${i}`)), /c11 and 68 others$/);
});

test("what went wrong is told with a way out", () => {
  const notGot = (error, done = 0) => notGotInWords({ error, done });
  assert.equal(notGot("https://hub.example/a/b.onnx: Name or service not known"), "It did not come: this server can't reach hub.example.");
  assert.match(notGot("https://hub.example/b: the server answers 404 Not Found; 2.0 MB have come", 2), /404 Not Found; 2\.0 MB have come\. What has come is kept/);
  assert.match(removalInWords(model({ source: "sent to this server" })), /^This deletes detect.*frees 36 MB\. It can be sent again\.$/);
  assert.equal(unsendable({ size: 5 }, 10), "");
  assert.match(unsendable({ size: 0 }, 10), /empty/);
  assert.match(unsendable({ size: 2e9 }, 1e9), /2\.0 GB, and 1\.0 GB is the most\. Export/);
  assert.equal(sentence("name: got 7"), "Name: got 7.");
  assert.equal(sentence("yolo.zip is a zip archive"), "yolo.zip is a zip archive.");
});

test("each situation of the page has its words", () => {
  const refused = (status, message = "") => bannerOf({ status, code: "", message }, false, () => {});
  assert.equal(bannerOf(null, true, () => {}), null);
  assert.match(refused(0).text, /goes on by itself/);
  assert.equal(refused(401).actions[0].href, "/join");
  assert.match(refused(500).text, /log/);
  assert.equal(rightInWords(true), "");
  assert.match(rightInWords(false), /right to manage/);
});
