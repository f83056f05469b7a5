import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { fieldOf, toRule, toValues } from "../../../src/sightline/web/panels/rules/form-values.js";
import {
  daysInWords, firedInWords, nameFor, newRule, problemWithName, sentence, tooLargeInWords, triedInWords,
} from "../../../src/sightline/web/panels/rules/words.js";

const rule = (given) => ({ ...newRule(), ...given });

test("a rule reads as the same sentence as on the server", () => {
  const golden = JSON.parse(readFileSync(new URL("../../golden/sentences.json", import.meta.url), "utf8"));
  for (const [given, said] of golden) assert.equal(sentence(rule({ for_s: 0, ...given })), said);
});

test("a rule reads as a sentence", () => {
  const of = (given) => sentence(rule({ cooldown_s: 0, actions: ["notify"], for_s: 0, ...given }));
  assert.equal(
    sentence(rule({ classes: ["person"], zone: "drive", hours: "08:00-18:00", outside: true, actions: ["notify", "webhook"] })),
    "When a person is in drive for 2 s, outside 08:00-18:00, not again for 60 s: notify, webhook.",
  );
  assert.equal(of({}), "When anything is in the picture: notify.");
  assert.equal(of({ classes: ["car", "umbrella"], line: "gate" }), "When a car or an umbrella crosses gate: notify.");
  assert.equal(of({ classes: ["person"], line: "gate", direction: "in" }), "When a person crosses gate in: notify.");
  assert.equal(of({ at_least: 3, classes: ["person"] }), "When at least 3 people are in the picture: notify.");
  assert.equal(of({ when: "scene" }), "When the camera is covered or moved: notify.");
  assert.equal(of({ when: "stream", for_s: 30, actions: [] }), "When the camera is lost for 30 s: tell nobody.");
  assert.equal(of({ hours: "22:00-06:00", days: ["sat", "sun"] }), "When anything is in the picture, 22:00-06:00 on Sat, Sun: notify.");
  assert.equal(of({ days: ["mon", "tue", "wed", "fri"] }), "When anything is in the picture, on Mon to Wed, Fri: notify.");
  assert.equal(daysInWords(["sun", "mon"]), "Mon, Sun");
});

test("what the form holds becomes the rule again", () => {
  for (const given of [
    {}, { classes: ["person", "car"], zone: "drive", at_least: 2, for_s: 0.5 },
    { line: "gate", direction: "out", for_s: 0 }, { when: "stream", for_s: 30 },
    { hours: "22:00-06:00", outside: true, days: ["mon", "sun"] }, { days: ["sat"] }, { actions: [], cooldown_s: 0 },
  ]) {
    assert.deepEqual(toRule(toValues(rule(given)), true), rule(given));
  }
});

test("what does not go together is left out, and what is no number is for the server to refuse", () => {
  const values = (given) => ({ ...toValues(newRule()), ...given });
  const line = toRule(values({ place: "line:gate", at_least: "3", for_s: "9" }), true);
  assert.deepEqual([line.line, line.at_least, line.for_s], ["gate", 1, 0]);
  const lost = toRule(values({ when: "stream", classes: ["car"], place: "zone:drive", direction: "in" }), false);
  assert.deepEqual([lost.classes, lost.zone, lost.direction, lost.enabled], [null, null, null, false]);
  assert.equal(toRule(values({ direction: "in" }), true).direction, null);
  assert.equal(toRule(values({ span: "outside" }), true).outside, false, "outside of nothing");
  assert.equal(toRule(values({ span: "within", begin: "08:00" }), true).hours, "08:00-");
  assert.equal(toRule(values({ span: "within", days: ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] }), true).days, null);
  assert.deepEqual([toRule(values({ for_s: "" }), true).for_s, toRule(values({ for_s: "-2" }), true).for_s], [0, -2]);
  assert.deepEqual(["line", "outside", "streams.door.rules.a.for_s", "days"].map(fieldOf), ["place", "span", "for_s", "days"]);
});

test("a rule gets a name of what it is about, which no other has", () => {
  assert.equal(nameFor(rule({ classes: ["person"], zone: "drive" }), []), "person-drive");
  assert.equal(nameFor(rule({ classes: ["traffic light"], line: "gate" }), ["traffic-light-gate"]), "traffic-light-gate-2");
  assert.equal(nameFor(rule({ classes: ["Größe".repeat(30)] }), []).length, 60);
  assert.deepEqual([nameFor(rule({}), []), nameFor(rule({ when: "scene" }), [])], ["anything", "covered"]);
  assert.equal(problemWithName("a-b_1", ["other"]), "");
  for (const bad of ["", "a b", "ü", "x".repeat(65), "taken"]) assert.notEqual(problemWithName(bad, ["taken"]), "", bad);
});

test("what a rule did, and would have done, is told", () => {
  assert.deepEqual([firedInWords(0, ""), firedInWords(1, "2 h ago"), firedInWords(3, "")], [
    ...["It has not been fulfilled yet.", "Fulfilled once, last 2 h ago.", "Fulfilled 3 times."],
  ]);
  const fired = [{ at: 1, seconds: 2, track: 3, class_name: "person", box: null }];
  assert.match(triedInWords({ seconds: 600, fired }, false, rule({ days: ["mon"] })), /^Over the last 10 min .* once\.$/);
  assert.match(triedInWords({ seconds: 12, fired: [] }, true, rule({})), /not have been fulfilled over the clip's 12 s\.$/);
  assert.match(triedInWords({ seconds: 12, fired }, true, rule({ hours: "08:00-18:00" })), /hours are left aside/);
  assert.match(triedInWords({ seconds: 0, fired: [] }, false, rule({})), /nothing to test on yet/);
  assert.equal(tooLargeInWords(80 << 20, 64 << 20), "The clip has 84 MB. Expected at most 67 MB.");
});
