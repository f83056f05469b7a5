import assert from "node:assert/strict";
import { test } from "node:test";

import { ModelSettings, idsOf } from "../../../src/sightline/web/panels/model-settings.js";
import * as words from "../../../src/sightline/web/panels/model-words.js";

const IN_FORCE = { model: "nano", engine: "openvino", device: "cpu", imgsz: 320, confidence: 0.25, iou: 0.45, max_detections: 100, classes: null };

/** What the server says of a stream. */
function detail(settings = {}, more = {}) {
  const labels = ["person", "cat", "dog"];
  return {
    ...{ settings: { ...IN_FORCE, ...settings }, pending: null, switch_failed: null, task: "detect", labels },
    ...{ imgsz_changeable: true, stride: 32, seen: [], model: "nano", browser: "", ...more },
  };
}

/** A server that answers when it is told to. */
function server() {
  const waiting = [];
  const refused = [];
  let changes = 0;
  const settings = new ModelSettings({
    patch: (change) => new Promise((answer) => waiting.push({ change, answer })),
    onchange: () => (changes += 1),
    onwish: () => settings.expect(IN_FORCE, () => ({ task: "detect", labels: ["person"] })),
    onrefused: (why) => refused.push(why),
  });
  settings.take(detail(), performance.now());
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    settings,
    refused,
    get changes() {
      return changes;
    },
    asked: () => waiting.map((w) => w.change),
    async answer(status, body) {
      waiting.shift().answer({ status, body });
      await settle();
    },
  };
}

const error = (more) => ({ error: { code: "bad_setting", message: "confidence: got 2; expected less", key: null, ...more } });

test("what is asked for is seen at once, and stays when the server agrees", async () => {
  const { settings, answer, asked } = server();
  void settings.set("confidence", 0.5);
  assert.equal(settings.value("confidence"), 0.5);
  assert.deepEqual(asked(), [{ confidence: 0.5 }]);
  await answer(200, detail({ confidence: 0.5 }));
  assert.equal(settings.detail.settings.confidence, 0.5);
  assert.equal(settings.value("confidence"), 0.5);
});

test("what is refused goes back, with the reason where it was asked for", async () => {
  const { settings, answer } = server();
  void settings.set("confidence", 2);
  await answer(422, error({ key: "confidence", got: "2", expected: "a number above 0 and below 1" }));
  assert.equal(settings.value("confidence"), 0.25);
  assert.equal(settings.problems.get("confidence"), "2 is not possible: expected a number above 0 and below 1.");
  void settings.set("confidence", 0.3);
  assert.equal(settings.problems.size, 0);
});

test("a dragged slider asks for one place at a time, and for the last one in the end", async () => {
  const { settings, answer, asked } = server();
  for (const value of [0.3, 0.4, 0.5, 0.6]) void settings.set("confidence", value);
  assert.deepEqual(asked(), [{ confidence: 0.3 }]);
  assert.equal(settings.value("confidence"), 0.6);
  await answer(200, detail({ confidence: 0.3 }));
  assert.equal(settings.value("confidence"), 0.6);
  assert.deepEqual(asked(), [{ confidence: 0.6 }]);
  await answer(200, detail({ confidence: 0.6 }));
  assert.deepEqual(asked(), []);
});

test("other settings don't wait for a model that is being loaded", async () => {
  const { settings, answer, asked } = server();
  void settings.set("model", "fast");
  void settings.set("confidence", 0.7);
  assert.deepEqual(asked(), [{ model: "fast" }, { confidence: 0.7 }]);
  assert.equal(settings.value("model"), "fast");
  await answer(503, error({ code: "model_failed", message: "model fast: the file is broken" }));
  assert.equal(settings.value("model"), "nano");
  assert.equal(settings.problems.get("model"), "model fast: the file is broken");
  assert.equal(settings.value("confidence"), 0.7);
});

test("a newer choice of the model makes the older one quiet", async () => {
  const { settings, answer } = server();
  void settings.set("model", "fast");
  void settings.set("model", "detect");
  await answer(409, error({ code: "superseded", message: "a newer change came first" }));
  assert.equal(settings.value("model"), "detect");
  assert.equal(settings.problems.size, 0);
  await answer(200, detail({ model: "detect" }));
  assert.equal(settings.value("model"), "detect");
});

test("what somebody else changed appears, but no older word after a newer one", async () => {
  const { settings, answer } = server();
  settings.take(detail({ model: "fast", iou: 0.6 }), performance.now());
  assert.deepEqual([settings.value("model"), settings.value("iou")], ["fast", 0.6]);
  const before = performance.now();
  void settings.set("iou", 0.7);
  await answer(200, detail({ iou: 0.7 }));
  settings.take(detail({ iou: 0.6 }), before); // asked before the change, and late
  assert.equal(settings.value("iou"), 0.7);
});

test("somebody else's failure is told, one from before this page is not", () => {
  const old = { model: "broken", message: "no graph", at: 1 };
  const settings = new ModelSettings({ patch: async () => ({ status: 0, body: null }), onchange() {}, onrefused() {} });
  settings.take(detail({}, { switch_failed: old }), 1);
  assert.equal(settings.failure, "");
  settings.take(detail({}, { switch_failed: { ...old, at: 2 } }), 2);
  assert.equal(settings.failure, "no graph");
  settings.take(detail(), 3);
  assert.equal(settings.failure, "");
});

test("who may not change is told so once, and a server that is away too", async () => {
  const { settings, answer, refused } = server();
  void settings.set("iou", 0.5);
  await answer(403, { error: { code: "forbidden", message: "this token is for view" } });
  assert.deepEqual([refused, settings.value("iou")], [["this token is for view"], 0.45]);
  void settings.set("iou", 0.5);
  await answer(0, null);
  assert.match(settings.problems.get("iou"), /does not answer/);
});

test("all of it at once goes back to the server's own", async () => {
  const { settings, answer, asked } = server();
  void settings.reset();
  const all = ["classes", "confidence", "detect", "engine", "imgsz", "iou", "max_detections", "model", "track", "track_confirm", "track_lost_s"];
  assert.deepEqual(Object.keys(asked()[0]).sort(), all);
  assert.ok(Object.values(asked()[0]).every((value) => value === null));
  await answer(200, detail({ confidence: 0.4 }));
  assert.equal(settings.value("confidence"), 0.4);
});

test("classes are known by name, also those without one", () => {
  assert.deepEqual([...idsOf(["dog", "class 7", "unheard of"], ["person", "cat", "dog"])], [2, 7]);
});

test("who may change: everybody without tokens, else publishers of the stream and admins", () => {
  const why = (role, stream) => words.whyReadOnly({ tokens: true, role, stream }, "hall") === "";
  assert.equal(words.whyReadOnly({ tokens: false, role: "admin", stream: "*" }, "hall"), "");
  assert.equal(words.whyReadOnly(null, "hall"), "");
  assert.deepEqual([why("publish", "hall"), why("admin", "*"), why("admin", "hall")], [true, true, true]);
  assert.deepEqual([why("view", "*"), why("publish", "door"), why(null, null)], [false, false, false]);
});

test("a loading model is told calmly", () => {
  const pending = { model: "fast", engine: "onnx", imgsz: null, since: 1 };
  assert.equal(words.standing(detail({}, { pending })), "Loading “fast”. Until it is ready, “nano” goes on.");
  assert.match(words.standing(detail({}, { pending: { ...pending, model: "nano" } })), /Loading it anew/);
  assert.equal(words.standing(detail()), "OpenVINO on the server's CPU, input 320");
  assert.equal(words.standing(detail({}, { browser: "webgpu" })), "In the camera's browser: WebGPU");
  assert.match(words.standing(detail({}, { browser: "wasm, 2 threads" })), /: WebAssembly, 2 threads$/);
  assert.equal(words.standing(detail({ engine: "", imgsz: null })), "On the server, without an engine");
});

test("a failure is told in short, and what goes on", () => {
  const long = `broken: OpenVINO can't read it; expected an ONNX file (Check 'x(y)' failed at ${"src/".repeat(30)}: parsed)`;
  assert.equal(words.failure(long, "nano"), "broken: OpenVINO can't read it; expected an ONNX file. “nano” goes on.");
  assert.equal(words.failure("no memory (1 MB)", "nano"), "no memory (1 MB). “nano” goes on.");
});

test("the operator's command is told apart from the reason", () => {
  const reason = "profile fast: its weights are not here (44.4 MB); run: sightline models pull fast";
  assert.deepEqual(words.lackOf(reason), { why: "Its weights are not here (44.4 MB)", command: "sightline models pull fast" });
  assert.deepEqual(words.lackOf("what it names is not there"), { why: "What it names is not there", command: "" });
});

test("classes that were found come first, the others as the model has them", () => {
  const seen = [{ class_id: 2, class_name: "dog", count: 1, share: null }];
  const ids = (...given) => words.listed(...given).map((row) => row.id);
  assert.deepEqual(ids(["person", "cat", "dog"], seen, null), [2, 0, 1]);
  assert.deepEqual(ids([], seen, new Set([5])), [2, 5]);
  assert.equal(words.listed([], seen, null)[0].name, "class 2");
  assert.deepEqual(words.universe(["a", "b"]), [0, 1]);
  assert.equal(words.universe([]).length, 255);
});

test("amounts are short", () => {
  const counted = (count) => words.amount({ class_id: 0, class_name: "", count, share: null });
  const covered = (share) => words.amount({ class_id: 0, class_name: "", count: null, share });
  assert.deepEqual([1, 1.44, 12.3, 0].map(counted), ["1", "1.4", "12", "0"]);
  assert.deepEqual([0.876, 0.001, 0].map(covered), ["88 % of area", "<1 % of area", "0 % of area"]);
  assert.equal(words.amount(undefined), "");
});

test("the list says how many are shown", () => {
  assert.equal(words.shownInWords(null, 80), "all 80");
  assert.equal(words.shownInWords(null, 0), "all");
  assert.equal(words.shownInWords(new Set(), 80), "none");
  assert.equal(words.shownInWords(new Set([1, 2]), 80), "2 of 80");
});

test("search finds every word anywhere in a name", () => {
  assert.ok(words.matches("traffic light", "LIGHT traf"));
  assert.ok(words.matches("traffic light", ""));
  assert.ok(!words.matches("traffic light", "light x"));
});

test("it is said that the server adapts an input size which nobody chose", () => {
  assert.match(words.sizeInWords(32, 320), /multiple of 32\..*the server adapts it/);
  assert.doesNotMatch(words.sizeInWords(32, null), /adapts/);
});

test("sizes are multiples of the stride within what the server takes", () => {
  assert.deepEqual(words.sizes(32), { least: 64, most: 2048 });
  assert.deepEqual(words.sizes(14), { least: 70, most: 2044 });
});

test("what is chosen before there is a stream waits for it, and is asked for in one go (fault 49)", async () => {
  const { settings, answer, asked } = server();
  settings.take(null, performance.now()); // over, and forgotten
  assert.equal(settings.absent, true);
  void settings.set("model", "person");
  void settings.set("confidence", 0.4);
  assert.deepEqual([settings.value("model"), settings.value("confidence")], ["person", 0.4]);
  assert.deepEqual(asked(), []);
  settings.take(detail(), performance.now());
  assert.deepEqual(asked(), [{ model: "person", confidence: 0.4 }]);
  assert.equal(settings.value("model"), "person", "until it is answered");
  await answer(200, detail({ model: "person", confidence: 0.4 }));
  assert.deepEqual([settings.absent, settings.detail.settings.model], [false, "person"]);
});

test("a stream that was forgotten meanwhile takes the choice when it is back (fault 49)", async () => {
  const { settings, answer, asked } = server();
  void settings.set("confidence", 0.4);
  await answer(404, error({}));
  assert.deepEqual([settings.absent, settings.value("confidence"), settings.problems.size], [true, 0.4, 0]);
  settings.take(detail(), performance.now());
  assert.deepEqual(asked(), [{ confidence: 0.4 }]);
});

test("Back to the server's settings also before the start", () => {
  const { settings } = server();
  settings.take(null, performance.now());
  void settings.set("confidence", 0.4);
  void settings.reset();
  assert.equal(settings.value("confidence"), IN_FORCE.confidence);
});
