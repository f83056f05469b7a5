import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { askApi, followEvents } from "../../../src/sightline/web/wire/events.js";
import { current, install } from "../support/fakes.js";
import { message } from "../support/happenings.js";

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  install();
});

test("events go on after a lost connection where they stopped", () => {
  const got = [];
  const socket = followEvents("door", (one) => got.push(one.number), () => {});
  socket.open();
  assert.match(current().url, /\/ws\?events=1&stream=door$/);
  current().accept();
  current().say(message({ number: 4 }));
  current().say(message({ number: 5, phase: "end" }));
  current().leave();
  mock.timers.tick(2000);
  assert.match(current().url, /&after=5$/);
  current().accept();
  current().say(message({ number: 6 }));
  current().say(message({ id: "b" })); // of a server that stores none
  current().leave();
  mock.timers.tick(2000);
  assert.match(current().url, /&after=6$/);
  current().accept();
  current().say(message({ number: 1 })); // of one that begins anew
  assert.deepEqual(got, [4, 5, 6, undefined, 1]);
  socket.close();
});

test("the API's refusals are told, and so is a server that does not answer", async () => {
  const answer = (status, body) => (globalThis.fetch = async () => ({ ok: status < 300, status, json: async () => body }));
  answer(200, { events: [] });
  assert.deepEqual(await askApi("/api/events"), { body: { events: [] }, refused: null });
  answer(422, { error: { code: "bad_setting", message: "no", key: "for_s", expected: "a number" } });
  const { refused } = await askApi("/api/x");
  assert.deepEqual([refused.status, refused.key, refused.expected], [422, "for_s", "a number"]);
  answer(204, null);
  assert.equal((await askApi("/api/x")).refused, null);
  globalThis.fetch = async () => {
    throw new TypeError("no network");
  };
  assert.equal((await askApi("/api/x")).refused.status, 0);
});
