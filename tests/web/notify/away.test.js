/** The service worker's other task: a page of ours while the server is away, and nothing else that is kept. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Away, isPage } from "../../../src/sightline/web/notify/away.js";

/** A browser whose server gives these answers; `null` where it is away. */
function world(...answers) {
  const kept = new Map();
  const asked = [];
  const cache = { put: async (path, answer) => kept.set(path, answer), match: async (path) => kept.get(path)?.clone() };
  const ask = async (what) => {
    asked.push(what.url ?? what);
    const status = answers.length > 1 ? answers.shift() : answers[0];
    if (status === null) throw new TypeError("Failed to fetch");
    return new Response(what.url ?? what, { status });
  };
  const later = [];
  const event = { request: { url: "/view/door" }, waitUntil: (work) => later.push(work) };
  return { kept, asked, event, later, away: new Away({ open: async () => cache }, ask) };
}

const text = async (answer) => (await answer).text();

test("a page comes from the server, and ours is fetched once more in its shadow", async () => {
  const { away, event, asked, kept, later } = world(200);
  assert.equal(await text(away.answer(event)), "/view/door");
  await Promise.all(later);
  assert.equal(await text(away.answer(event)), "/view/door");
  assert.deepEqual(asked, ["/view/door", "/away", "/language.json", "/view/door"]);
  assert.deepEqual([...kept.keys()], ["/away", "/language.json"]);
});

test("while the server is away our page stands in its place, also behind a proxy", async () => {
  for (const status of [null, 502, 504, 530]) {
    const { away, event } = world(200, status);
    await away.keep();
    assert.equal(await text(away.answer(event)), "/away", String(status));
  }
});

test("what the server itself says is shown, be it an error", async () => {
  for (const status of [401, 403, 404, 500, 503]) {
    const { away, event } = world(200, status);
    await away.keep();
    assert.equal((await away.answer(event)).status, status);
  }
});

test("without our page the browser's own error is shown", async () => {
  const { away, event } = world(null);
  await away.keep();
  await assert.rejects(away.answer(event), TypeError);
  const proxied = world(404, 502);
  await proxied.away.keep();
  assert.equal((await proxied.away.answer(proxied.event)).status, 502);
});

test("what the browser has asked for already is not asked for twice", async () => {
  const { away, event, asked, later } = world(200);
  event.preloadResponse = Promise.resolve(new Response("early"));
  assert.equal(await text(away.answer(event)), "early");
  await Promise.all(later);
  assert.deepEqual(asked, ["/away", "/language.json"]);
});

test("files, data, frames and forms are none of its business", () => {
  const page = { mode: "navigate", destination: "document", method: "GET" };
  assert.ok(isPage(page));
  for (const other of [{ mode: "cors", destination: "" }, { destination: "iframe" }, { method: "POST" }]) {
    assert.ok(!isPage({ ...page, ...other }));
  }
});

test("words that were kept are there while the server is away", async () => {
  const { away } = world(200, 200, null);
  assert.equal(await away.words(), null);
  await away.keep();
  await assert.rejects(away.words(), SyntaxError); // what the server says here is no JSON
});
