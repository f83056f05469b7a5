import assert from "node:assert/strict";
import { test } from "node:test";

import { dropsInWords, lost } from "../../../src/sightline/web/panels/cards.js";
import { problemWith } from "../../../src/sightline/web/panels/name.js";
import { isLoopback } from "../../../src/sightline/web/panels/share.js";

test("what was lost is told with its reasons, failures among them", () => {
  const stats = { dropped: { replaced: 3, unwatched: 1200, rate: 1, closed: 0 }, failed: 2 };
  assert.deepEqual(lost(stats), [["unwatched", 1200], ["replaced", 3], ["failed", 2], ["rate", 1]]);
  assert.equal(
    dropsInWords(lost(stats)),
    "Dropped: 1,200 × nobody was watching, 3 × a newer picture came first, 3 × other reasons.",
  );
  assert.equal(dropsInWords([]), "Every picture so far had its result.");
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
