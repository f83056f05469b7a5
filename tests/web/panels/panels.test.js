import assert from "node:assert/strict";
import { test } from "node:test";

import { damageInWords, dropsInWords, standing } from "../../../src/sightline/web/panels/cards.js";
import { problemWith } from "../../../src/sightline/web/panels/name.js";
import { lost } from "../../../src/sightline/web/wire/stream-stats.js";
import { isLoopback } from "../../../src/sightline/web/panels/share.js";

test("what was lost is told with its reasons, failures among them", () => {
  const stats = { dropped: { replaced: 3, unwatched: 1200, adapted: 407, rate: 1, closed: 0 }, failed: 2 };
  assert.deepEqual(lost(stats), [["replaced", 3], ["failed", 2], ["rate", 1]]);
  assert.equal(
    dropsInWords(lost(stats)),
    "Dropped: 3 × a newer picture came first, 2 × the model failed on them, 1 × other reasons.",
  );
  assert.equal(dropsInWords([]), "No picture was dropped.");
  assert.equal(damageInWords(0), "");
  assert.equal(damageInWords(1), "A part was missing in 1 picture.");
});

test("a healthy stream that nobody watches rests, and every other state is told with its reason (faults 40, 42, 57)", () => {
  const of = (state, reason = "", wanted = true) => standing({ state, reason, wanted });
  assert.deepEqual([of("live").pill, of("live").kind, of("live").note], ["Live", "good", ""]);
  assert.deepEqual([of("live", "", false).state, of("live", "", false).pill], ["resting", "Resting"]);
  assert.match(of("reconnecting", "nothing listens there").note, /nothing listens there\. Trying again/);
  assert.match(of("paused", "the camera's page is in the background").note, /in the background/);
  assert.equal(of("waiting").note, "");
});

test("a new camera's name is checked before it is used", () => {
  const streams = [{ name: "webcam", state: "live" }, { name: "old", state: "waiting" }];
  assert.equal(problemWith("door-1_a", streams), "");
  assert.equal(problemWith("old", streams), "");
  assert.notEqual(problemWith("webcam", streams), "");
  for (const bad of ["", "a b", "ü", "a/b", "x".repeat(65)]) assert.notEqual(problemWith(bad, streams), "", bad);
});

test("a link to this machine's own address is known as such", () => {
  for (const host of ["localhost", "a.localhost", "127.0.0.1", "[::1]"]) assert.ok(isLoopback(host), host);
  for (const host of ["192.168.1.5", "localhost.example", "example.org"]) assert.ok(!isLoopback(host), host);
});

test("an address gets its user and password as a server takes them", async () => {
  const { sourceOf } = await import("../../../src/sightline/web/wire/cameras.js");
  assert.equal(sourceOf("rtsp://cam/1", "", ""), "rtsp://cam/1");
  assert.equal(sourceOf("192.168.1.20:554/1", "", ""), "rtsp://192.168.1.20:554/1");
  assert.equal(sourceOf("cam.lan:8554/1", "me", ""), "rtsp://me@cam.lan:8554/1");
  assert.equal(sourceOf("cam.lan/1", "me", "p@ss/$&#"), "rtsp://me:p%40ss%2F%24%26%23@cam.lan/1");
  assert.equal(sourceOf("http://old:one@cam.lan/a@b", "me", "new"), "http://me:new@cam.lan/a@b");
  assert.equal(sourceOf("synthetic:noise", "", ""), "synthetic:noise");
});
