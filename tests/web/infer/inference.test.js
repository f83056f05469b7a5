import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inflateSync } from "node:zlib";

import { Chooser } from "../../../src/sightline/web/infer/choice.js";
import { DECODERS, numbers } from "../../../src/sightline/web/infer/decode.js";
import { Input, fromHalf, geometryOf, reduction, round, toHalf } from "../../../src/sightline/web/infer/input.js";
import { describe, only } from "../../../src/sightline/web/infer/words.js";
import { crc32, encodeMask } from "../../../src/sightline/web/lib/png.js";

const CASES = JSON.parse(readFileSync(new URL("../../golden/inference.json", import.meta.url), "utf8"));
const KINDS = { uint8: Uint8Array, float16: Uint16Array, float32: Float32Array, int64: BigInt64Array };

function unpacked({ type, dims, data }) {
  const bytes = Uint8Array.from(Buffer.from(data, "base64"));
  return { type, dims, data: new KINDS[type](bytes.buffer) };
}

function rgba({ dims: [height, width], data }) {
  const out = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i += 1) {
    out.set([data[3 * i + 2], data[3 * i + 1], data[3 * i], 255], 4 * i); // from B, G, R
  }
  return { width, height, data: out };
}

for (const golden of CASES) {
  test(`${golden.name}: the same input and the same findings as Python's`, () => {
    const { model } = golden;
    const input = new Input(model);
    const geometry = input.place(rgba(unpacked(golden.picture)));
    const expected = unpacked(golden.tensor).data;
    assert.equal(input.tensor.length, expected.length);
    const read = model.dtype === "float16" ? fromHalf : Number;
    const level = model.dtype === "uint8" ? 1 : model.scale / Math.min(...model.std);
    let worst = 0;
    input.tensor.forEach((value, i) => (worst = Math.max(worst, Math.abs(read(value) - read(expected[i])))));
    assert.ok(worst <= 1.01 * level + 1e-3, `a difference of ${worst / level} levels of grey`);

    const outputs = Object.fromEntries(Object.entries(golden.outputs).map(([name, t]) => [name, numbers(unpacked(t))]));
    const { rows, mask } = DECODERS[model.decode](outputs, geometry, model);
    assert.deepEqual(rows.map((r) => r.class_id), golden.rows.map((r) => r.class_id));
    rows.forEach((row, i) => {
      assert.ok(Math.abs(row.confidence - golden.rows[i].confidence) < 2e-3);
      row.xyxy.forEach((value, k) => assert.ok(Math.abs(value - golden.rows[i].xyxy[k]) < 0.1));
    });
    if (!golden.mask) return;
    const wanted = unpacked(golden.mask);
    assert.deepEqual([mask.height, mask.width], wanted.dims);
    const same = mask.values.filter((value, i) => value === wanted.data[i]).length;
    assert.ok(same >= 0.998 * mask.values.length, `${same} of ${mask.values.length} pixels`);
    assert.equal(mask.alpha !== null && mask.alpha !== undefined, "alpha" in golden);
    if (!golden.alpha) return;
    const soft = unpacked(golden.alpha);
    assert.deepEqual([mask.alpha.height, mask.alpha.width], soft.dims);
    mask.alpha.values.forEach((value, i) => assert.ok(Math.abs(value - soft.data[i]) <= 4, `${value}: ${soft.data[i]}`));
  });
}

test("a picture lies in the input as Python places it", () => {
  assert.deepEqual([0.5, 1.5, 2.5, 2.4].map(round), [0, 2, 2, 2]);
  const placed = geometryOf("centre", 640, 360, 320, 320);
  assert.deepEqual(placed, { width: 640, height: 360, left: 0, top: 70, innerWidth: 320, innerHeight: 180 });
  assert.equal(geometryOf("letterbox", 640, 360, 320, 320).top, 0);
  assert.equal(geometryOf("stretch", 640, 360, 320, 320).innerHeight, 320);
  assert.deepEqual([640, 639, 638, 1280, 5000].map((side) => reduction(side, 320)), [2, 2, 1, 4, 8]);
});

test("halves are what they are everywhere", () => {
  for (const [value, half] of [[0, 0], [1, 0x3c00], [-2, 0xc000], [65504, 0x7bff], [1e6, 0x7c00], [2 ** -24, 1]]) {
    assert.equal(toHalf(value), half);
  }
  for (let half = 0; half < 0x7c00; half += 7) assert.equal(toHalf(fromHalf(half)), half);
  assert.ok(Number.isNaN(fromHalf(0x7e00)));
});

test("a reduced picture is the mean of its squares, and boxes are still of the whole one", () => {
  const model = { ...CASES[0].model, width: 4, height: 4, dtype: "uint8" };
  const picture = { width: 9, height: 8, data: new Uint8ClampedArray(9 * 8 * 4).fill(50) };
  const input = new Input(model);
  const { width, height, innerWidth } = input.place(picture);
  assert.deepEqual([width, height, innerWidth], [9, 8, 4]);
  assert.ok(input.tensor.every((value) => value === 50 || value === 114));
});

test("what was found is told as the server tells it", () => {
  const model = { labels: ["wall", "person"] };
  const rows = [{ class_id: 1, confidence: 0.123456, xyxy: [1.23, 2, 3, 4.56] }];
  assert.deepEqual(describe(rows, null, model), {
    detections: [{ class_id: 1, class_name: "person", confidence: 0.1235, xyxy: [1.2, 2, 3, 4.6] }],
  });
  const { segments } = describe([], { width: 4, height: 1, values: Uint8Array.of(1, 1, 1, 7) }, model);
  const mask = { width: 2, height: 1, values: Uint8Array.of(0, 1) };
  const left = only({ detections: [], segments: [{ class_id: 0 }, { class_id: 1 }] }, mask, [1]);
  assert.deepEqual([...left.mask.values], [255, 1]);
  assert.deepEqual(left.findings.segments, [{ class_id: 1 }]);
  assert.deepEqual(only({ detections: rows }, null, [0]).findings.detections, []);
  assert.deepEqual(segments, [
    { class_id: 1, class_name: "person", share: 0.75 },
    { class_id: 7, class_name: "class 7", share: 0.25 },
  ]);
});

test("a mask's PNG is one", async () => {
  assert.equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  const png = Buffer.from(await encodeMask({ width: 3, height: 2, values: Uint8Array.of(1, 2, 3, 4, 5, 6) }));
  assert.deepEqual([...png.subarray(16, 29)], [0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0]);
  const data = png.subarray(41, 41 + png.readUInt32BE(33));
  assert.deepEqual([...inflateSync(data)], [0, 1, 2, 3, 0, 4, 5, 6]);
});

function feed(chooser, place, latency, times = 30) {
  for (let i = 0; i < times && chooser.place === place; i += 1) chooser.result(place, latency);
}

test("auto measures both and takes the quicker one", () => {
  for (const [server, browser, wins] of [[80, 40, "browser"], [40, 80, "server"]]) {
    const chooser = new Chooser();
    chooser.choose("auto");
    feed(chooser, "server", server);
    assert.equal(chooser.place, "server", "nothing is measured before it is loaded");
    chooser.ready("wasm, 2 threads", "");
    feed(chooser, "server", server);
    assert.equal(chooser.place, "browser");
    feed(chooser, "browser", browser);
    assert.equal(chooser.place, wins);
    assert.match(chooser.says, new RegExp(`${browser} ms a picture in this browser, ${server} ms by the server`));
    assert.equal(chooser.needsRuntime, wins === "browser");
  }
});

test("a runtime that fails is tried once more, then the server goes on and it is said", () => {
  const chooser = new Chooser();
  chooser.choose("browser");
  chooser.ready("webgpu", "One thread.");
  assert.deepEqual([chooser.place, chooser.says], ["browser", "This browser runs the model (webgpu). One thread."]);
  assert.equal(chooser.failure("it doesn't answer any more", 1000), true);
  assert.equal(chooser.place, "server");
  chooser.ready("webgpu", "");
  assert.equal(chooser.place, "browser");
  assert.equal(chooser.failure("it crashed.", 2000), false);
  assert.deepEqual([chooser.place, chooser.needsRuntime], ["server", false]);
  assert.match(chooser.says, /failed twice \(it crashed\)/);
});

test("a runtime that is far too slow gives way to the server", () => {
  const chooser = new Chooser();
  chooser.choose("browser");
  chooser.ready("wasm, 1 thread", "");
  feed(chooser, "browser", 2400);
  assert.equal(chooser.place, "server");
  assert.match(chooser.says, /this browser took 2.4 s a picture/);
});

test("a confidence outside 0 to 1 is never shown (fault 20)", () => {
  const geometry = geometryOf("stretch", 64, 64, 64, 64);
  const model = { details: { output: "rows" }, confidence: 0.25, iou: 0.45, max_detections: 100 };
  const rows = (...row) => ({ rows: { dims: [1, 1, 6], data: Float32Array.from(row) } });
  assert.equal(DECODERS.final_rows(rows(1, 1, 9, 9, 0.9, 0), geometry, model).rows.length, 1);
  for (const wrong of [31, Infinity]) {
    assert.throws(() => DECODERS.final_rows(rows(1, 1, 9, 9, wrong, 0), geometry, model), /a confidence of/);
  }
});
