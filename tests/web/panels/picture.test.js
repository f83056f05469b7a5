import assert from "node:assert/strict";
import { test } from "node:test";

import { KEYS } from "../../../src/sightline/web/panels/picture/help.js";
import { actionOf } from "../../../src/sightline/web/panels/picture/keys.js";
import { neighbour } from "../../../src/sightline/web/panels/picture/neighbours.js";
import { MODES } from "../../../src/sightline/web/draw/modes.js";

/** An event whose target matches these selectors. */
const press = (key, more = {}, ...matches) =>
  actionOf({
    ...{ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, repeat: false, defaultPrevented: false },
    target: { closest: (selectors) => selectors.split(", ").some((one) => matches.includes(one)) || null },
    ...more,
  });

test("keys mean what the dialog says", () => {
  const expected = {
    f: "", " ": "freeze", r: "rewind", ",": "step back", ".": "step on", s: "snapshot", o: "overlay", m: "mode", z: "next", Z: "previous",
    ArrowRight: "right", ArrowLeft: "left", "+": "in", "-": "out", 0: "reset", c: "fit", p: "pip", "?": "keys",
    ...{ 1: "mode 1", 8: "mode 8", 9: "", x: "", Enter: "", Escape: "", Tab: "", ArrowUp: "" },
  };
  for (const [key, action] of Object.entries(expected)) assert.equal(press(key), action, key);
  assert.equal(press("ArrowUp", { shiftKey: true }), "pan up");
  assert.equal(MODES.length, 8, "as many as there are digits for");
  assert.ok(KEYS.some(([key]) => key === "1 – 8"));
});

test("no key is taken from who types, from a dialog, or from a browser's own", () => {
  for (const where of ["select", "textarea", "dialog", "[contenteditable]", "input:not([type=checkbox]):not([type=range])"]) {
    for (const key of [" ", "s", "1", "?", "ArrowLeft"]) assert.equal(press(key, {}, where), "", `${key} in ${where}`);
  }
  for (const with_ of ["ctrlKey", "metaKey", "altKey", "defaultPrevented"]) assert.equal(press("s", { [with_]: true }), "", with_);
  for (const where of ["button", "a", "summary", "input"]) {
    assert.equal(press(" ", {}, where), "", "space presses it");
    assert.equal(press("s", {}, where), "snapshot");
  }
  assert.equal(press("ArrowLeft", {}, "input[type=range]"), "", "it moves the slider");
  assert.equal(press("r", {}, "input[type=range]"), "rewind");
  assert.equal(press("s", { target: {} }), "snapshot", "the document itself has no closest");
});

test("a key that stays down does once what it does, but for zoom and move", () => {
  const down = { repeat: true };
  assert.deepEqual([press("s", down), press("o", down), press("ArrowLeft", down), press("1", down)], ["", "", "", ""]);
  assert.deepEqual([press("+", down), press("-", down)], ["in", "out"]);
  assert.deepEqual([press(",", down), press(".", down)], ["step back", "step on"]);
  assert.equal(press("ArrowLeft", { repeat: true, shiftKey: true }), "pan left");
});

test("the next stream is the next live one as they are arranged, around the end", () => {
  const streams = ["c", "a", "b", "d"].map((name) => ({ name, state: name === "b" ? "waiting" : "live" }));
  assert.deepEqual(["c", "a", "d"].map((name) => neighbour(streams, name, 1)), ["a", "d", "c"]);
  assert.deepEqual(["c", "a", "d"].map((name) => neighbour(streams, name, -1)), ["d", "c", "a"]);
  assert.equal(neighbour(streams, "b", 1), "d", "also from one that is not live");
  assert.equal(neighbour([{ name: "a", state: "live" }], "a", 1), "");
  assert.equal(neighbour(streams, "gone", 1), "c");
  assert.equal(neighbour([], "a", -1), "");
});
