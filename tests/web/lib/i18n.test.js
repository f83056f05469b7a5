/** Words: English as it stands in the code, and another language where one is spoken. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf } from "../../../src/sightline/web/notify/words.js";
import { className, form, language, said, speak, t } from "../../../src/sightline/web/lib/i18n.js";

const event = { id: "1", stream: "door", kind: "rule", at: 0, rule: "r", class_name: "dog", zone: "yard" };

test("English is what stands in the code", () => {
  assert.equal(t`Add ${1} of ${"{1}"}`, "Add 1 of {1}");
  assert.equal(form(1, "viewer", "viewers"), "viewer");
  assert.equal(form(0, "viewer", "viewers"), "viewers");
  assert.equal(className("dog", 2), "dog");
  assert.equal(said("the stream is gone"), "the stream is gone");
  assert.match(bodyOf(event, "en-GB", "UTC"), /^dog in yard · door · /);
});

test("a language has texts, as many forms as its numbers need, and other names for classes", () => {
  const words = { "{1} in {2}": "w {2}: {1}", "file|files": "plik|pliki|plików|pliku" };
  speak({ language: "pl", words, classes: { dog: "pies|psy|psów|psa" }, said: { "no {1} of {2}": "brak {1}" } });
  assert.equal(language, "pl");
  assert.deepEqual([1, 2, 5, 1.5].map((n) => form(n, "file", "files")), ["plik", "pliki", "plików", "pliku"]);
  assert.equal(className("dog", 5), "psów");
  assert.equal(className("cat", 5), "cat");
  assert.equal(t`Nobody has ${"this"}`, "Nobody has this");
  assert.match(bodyOf(event, "pl", "UTC"), /^w yard: pies · door · /);
  assert.equal(said("no (picture) of door"), "brak (picture)");
  assert.equal(said("it rains; no umbrella of mine"), "it rains; brak umbrella");
});
