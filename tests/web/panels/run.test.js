import assert from "node:assert/strict";
import { test } from "node:test";

import { RunMetrics } from "../../../src/sightline/web/panels/run-metrics.js";
import { csvOf, reportOf, seriesOf, spread } from "../../../src/sightline/web/panels/run-report.js";

const ABOUT = { page: "camera", stream: "door", started: "2026-01-01T00:00:00.000Z", userAgent: "test" };
const SETTING = { transport: "websocket", mode: "server", device: "", model: "nano" };

function filled() {
  const run = new RunMetrics();
  for (let i = 0; i < 30; i += 1) {
    run.add({ ...SETTING, at: 5000 + i * 100, latency: 20 + i, stages: { infer: 10 + (i % 2), decode: 1 } });
  }
  run.add({ ...SETTING, mode: "browser", device: "wasm, 2 threads", at: 8000, latency: NaN, stages: { infer: 30 } });
  run.drops([["replaced", 3], ["rate", 0]], 8100);
  run.drops([["replaced", 5]], 9200);
  return run;
}

test("a spread is by rank and passes over what is not known", () => {
  assert.deepEqual(spread([3, 1, NaN, 2]), { median: 2, p95: 3, mean: 2 });
  assert.equal(spread(Array.from({ length: 100 }, (_, i) => i + 1)).p95, 95);
  assert.ok(Number.isNaN(spread([]).median));
});

test("the report has the run's figures, exactly, and is JSON", () => {
  const report = JSON.parse(JSON.stringify(reportOf(filled(), ABOUT)));
  assert.equal(report.median_latency_ms, 34);
  assert.equal(report.p95_latency_ms, 48);
  assert.equal(report.frames, 31);
  assert.equal(report.duration_s, 3);
  assert.equal(report.processed_fps, 10);
  assert.deepEqual(report.stages_ms.infer, { median: 11, p95: 11, mean: 11.129 });
  assert.deepEqual(report.drops, { replaced: 5 });
  assert.deepEqual([report.mode, report.device, report.model], ["browser", "wasm, 2 threads", "nano"]);
  assert.equal(report.settings_used.length, 2);
  assert.deepEqual(report.seconds.map((s) => [s.t_s, s.fps, s.drops, s.median_latency_ms]), [
    [0, 10, 0, 24],
    [1, 10, 0, 34],
    [2, 10, 0, 44],
    [3, 1, 3, null],
    [4, 0, 2, null],
  ]);
});

test("the CSV has a line for every second and no formulas", () => {
  const run = filled();
  run.add({ ...SETTING, model: '=cmd|"x",1', at: 9900, latency: 1, stages: {} });
  const lines = csvOf(run).trimEnd().split("\r\n");
  assert.equal(lines[0], "t_s,fps,median_latency_ms,p95_latency_ms,drops,mode,device,transport,model,decode_ms,infer_ms");
  assert.equal(lines[1], "0,10,24,29,0,server,,websocket,nano,1,10.5");
  assert.equal(lines.length, 6);
  assert.ok(lines[5].includes(`"'=cmd|""x"",1"`));
});

test("an empty run is reported as such, and a run can begin anew", () => {
  const run = filled();
  run.clear();
  const report = reportOf(run, ABOUT);
  assert.deepEqual([report.frames, report.median_latency_ms, report.seconds], [0, null, []]);
  assert.equal(csvOf(run).split("\r\n").length, 2);
});

test("hours of pictures take no more room than one", () => {
  const run = new RunMetrics();
  for (let i = 0; i < 4000; i += 1) run.add({ ...SETTING, at: i * 1000, latency: i, stages: { infer: 1 } });
  assert.equal(run.seconds.length, 3600);
  assert.equal(run.frames, 4000);
});

test("what runs the model on the server is known a little later, and holds from the start", () => {
  const run = filled();
  run.served("openvino", "cpu");
  run.add({ ...SETTING, at: 9500, latency: 1, stages: {} });
  const report = reportOf(run, ABOUT);
  assert.equal(report.device, "openvino, cpu");
  assert.deepEqual(report.settings_used.map((s) => s.device), ["openvino, cpu", "wasm, 2 threads"]);
  assert.equal(csvOf(run).split("\r\n")[1], '0,10,24,29,0,server,"openvino, cpu",websocket,nano,1,10.5');
});

test("plots have whole seconds only", () => {
  const run = filled();
  assert.deepEqual(seriesOf(run), [[0, 1, 2, 3], [10, 10, 10, 1], [24, 34, 44, null]]);
  run.clear();
  assert.deepEqual(seriesOf(run), [[], [], []]);
});
