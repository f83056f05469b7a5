import assert from "node:assert/strict";
import { test } from "node:test";

import { cameraWords } from "../../../src/sightline/web/pages/camera-state.js";
import { UNPLUGGED, cameraProblem, insecureProblem } from "../../../src/sightline/web/capture/devices.js";
import { viewWords } from "../../../src/sightline/web/pages/view-state.js";

/** A camera page on which all is well. */
const LIVE = {
  wanted: true,
  problem: null,
  opening: false,
  paused: false,
  muted: false,
  barred: "",
  phase: "open",
  retryAt: 0,
  refused: null,
  hadServer: true,
  model: { state: "ready", message: "" },
  unanswered: 30,
  hadResult: true,
};
const camera = (changes) => cameraWords({ ...LIVE, ...changes }, "door");

test("a live camera says so, and nothing stands in the picture", () => {
  const words = camera({});
  assert.deepEqual([words.state, words.kind, words.banner], ["live", "good", null]);
});

test("before the person starts it, the camera is off", () => {
  assert.equal(camera({ wanted: false }).state, "idle");
});

const named = (name) => Object.assign(new Error("it said no"), { name });

for (const name of ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError", "AbortError"]) {
  test(`${name} becomes words and a way out`, () => {
    const words = camera({ problem: cameraProblem(named(name)) });
    assert.equal(words.state, "error");
    assert.doesNotMatch(words.banner.title + words.banner.text, /Error|it said no/);
    assert.deepEqual(words.actions, ["start"]);
  });
}

test("an error nobody foresaw is told as the browser says it", () => {
  assert.match(camera({ problem: cameraProblem(named("NewError")) }).banner.text, /it said no/);
});

test("an unplugged camera is a problem that ends by itself", () => {
  assert.match(camera({ problem: UNPLUGGED }).banner.text, /by itself/);
});

test("plain http from another machine gets the address that works", () => {
  const place = { origin: "http://192.168.1.5:8000", port: "8000", pathname: "/camera/door" };
  const words = camera({ wanted: false, problem: insecureProblem(place) });
  assert.match(words.banner.text, /https:/);
  assert.deepEqual(words.banner.actions[0].href, "http://localhost:8000/camera/door");
  assert.deepEqual(words.actions, [], "trying again is no use");
});

test("a lost server is told with the time of the next try, and the picture goes on", () => {
  const words = camera({ phase: "waiting", retryAt: 1234 });
  assert.deepEqual([words.state, words.banner.retryAt, words.small, words.actions], ["reconnecting", 1234, true, ["retry"]]);
});

test("the first connection is not called a loss", () => {
  assert.equal(camera({ phase: "connecting", hadServer: false, hadResult: false }).state, "starting");
  assert.match(camera({ phase: "waiting", hadServer: false }).banner.title, /doesn't answer/);
});

test("a taken name offers another one", () => {
  const words = camera({ phase: "waiting", retryAt: 9, hadServer: false, refused: { code: "stream_busy", message: "m" } });
  assert.deepEqual([words.state, words.actions], ["reconnecting", ["rename", "retry"]]);
});

test("a refusal that stays is an error, in words for people (fault 46)", () => {
  const words = camera({ phase: "closed", refused: { code: "too_large", message: "expected max_message_bytes" } });
  assert.equal(words.state, "error");
  assert.doesNotMatch(JSON.stringify(words.banner), /max_message_bytes/);
});

test("who may not be this camera reads it before the camera is asked for, with a way out (faults 40, 46)", () => {
  for (const [barred, href] of [["unauthorized", "/join"], ["forbidden", "/join"], ["pulled", "/view/door"]]) {
    const words = camera({ wanted: false, barred });
    assert.deepEqual([words.state, words.banner.actions[0].href, words.actions], ["error", href, []], barred);
  }
});

test("a hidden page is paused", () => {
  assert.equal(camera({ paused: true }).state, "paused");
});

test("without results the person learns why and sees the own picture", () => {
  for (const changes of [
    { model: { state: "loading", message: "" } },
    { model: { state: "failed", message: "out of memory" }, unanswered: 1500 },
    { model: { state: "failed", message: "no such file" }, hadResult: false },
    { muted: true },
    { unanswered: 4000 },
  ]) {
    const words = camera(changes);
    assert.deepEqual([words.state, words.small], ["waiting", true]);
    assert.ok(words.banner.text);
  }
});

test("one picture that fails does not disturb", () => {
  assert.equal(camera({ model: { state: "failed", message: "BadImage" }, unanswered: 60 }).state, "live");
});

/** A viewer's page on which all is well. */
const WATCHING = {
  phase: "open",
  retryAt: 0,
  refused: null,
  camera: "live",
  reason: "",
  model: { state: "ready", message: "" },
  paused: false,
  hadPicture: true,
  hadServer: true,
  quiet: 30,
};
const view = (changes) => viewWords({ ...WATCHING, ...changes }, "door");

test("every state of the viewer's page", () => {
  assert.deepEqual([view({}).state, view({}).banner], ["live", null]);
  assert.equal(view({ camera: "waiting" }).state, "waiting");
  assert.equal(view({ camera: "waiting" }).banner.actions[0].href, "/camera/door");
  assert.equal(view({ camera: "ended" }).state, "gone");
  assert.equal(view({ camera: "ended" }).banner.actions[0].href, "/camera/door");
  assert.equal(view({ quiet: 5000 }).state, "stalled");
  assert.match(view({ quiet: 5000, model: { state: "loading", message: "" } }).banner.title, /loading/);
  const failed = view({ quiet: 5000, model: { state: "failed", message: "OutOfMemory at 0x7f" } }).banner;
  assert.match(failed.text, /server's log/);
  assert.doesNotMatch(JSON.stringify(failed), /OutOfMemory/);
  assert.equal(view({ paused: true, phase: "closed" }).state, "paused");
  assert.equal(view({ phase: "connecting", hadServer: false }).state, "connecting");
  assert.equal(view({ phase: "waiting", retryAt: 5 }).banner.retryAt, 5);
  assert.equal(view({ phase: "waiting", retryAt: 5 }).state, "reconnecting");
});

test("a viewer that the server refuses learns why", () => {
  const full = view({ phase: "waiting", refused: { code: "limit_reached", message: "256 viewers" } });
  assert.deepEqual([full.state, full.retry], ["reconnecting", true]);
  assert.match(full.banner.title, /full/);
  assert.equal(view({ phase: "closed", refused: { code: "bad_request", message: "" } }).state, "error");
});

test("a camera that is there but sends nothing is told with the reason, and nobody is asked to take its name (40, 57)", () => {
  const { banner } = view({ camera: "waiting", reason: "nothing listens there" });
  assert.match(banner.text, /No pictures: nothing listens there\./);
  assert.doesNotMatch(banner.text, /Nobody/);
  assert.deepEqual(banner.actions.map(({ href }) => href), ["/"]);
});

test("only who may publish is offered to start the camera (fault 46)", () => {
  const watching = viewWords({ ...WATCHING, camera: "waiting" }, "door", false);
  assert.deepEqual(watching.banner.actions, []);
});
