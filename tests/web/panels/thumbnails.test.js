import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Thumbnails } from "../../../src/sightline/web/panels/thumbnails.js";
import { settle } from "../support/fakes.js";

let asked;
let urls;
let answer;
let seen;

globalThis.IntersectionObserver = class {
  constructor(tell) {
    seen = (card) => tell([{ target: card.element, isIntersecting: true }]);
  }
  observe() {}
  unobserve() {}
};
globalThis.Image = class {
  async decode() {}
};

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  asked = 0;
  urls = new Set();
  answer = async () => ({ status: 200, blob: async () => ({}) });
  globalThis.document = { hidden: false };
  globalThis.fetch = () => ((asked += 1), answer());
  let number = 0;
  URL.createObjectURL = () => (urls.add(`blob:${(number += 1)}`), `blob:${number}`);
  URL.revokeObjectURL = (url) => urls.delete(url);
  mock.method(performance, "now", () => (globalThis.now += 3000));
  globalThis.now = 0;
});

const card = () => ({ element: {}, showStill() {}, image: { src: "" }, stats: { name: "door", received: 1 } });

async function round() {
  mock.timers.tick(200);
  await settle();
  await settle();
}

test("each new picture takes the place of the last in memory, and none is left of a card that goes", async () => {
  const thumbnails = new Thumbnails();
  const door = card();
  thumbnails.add(door);
  seen(door);
  for (let i = 0; i < 50; i += 1) {
    door.stats = { ...door.stats, received: 2 + i };
    await round();
    assert.deepEqual([...urls], [door.image.src]);
  }
  assert.equal(asked, 50);
  thumbnails.remove(door);
  assert.equal(urls.size, 0);
});

test("a picture that comes for a card that is gone is not kept", async () => {
  const thumbnails = new Thumbnails();
  const door = card();
  let come;
  answer = () => new Promise((resolve) => (come = resolve));
  thumbnails.add(door);
  seen(door);
  await round();
  thumbnails.remove(door);
  come({ status: 200, blob: async () => ({}) });
  await round();
  assert.equal(urls.size, 0);
});

test("nothing is asked for while nobody looks, nor where nothing is new", async () => {
  const thumbnails = new Thumbnails();
  const door = card();
  thumbnails.add(door);
  seen(door);
  document.hidden = true;
  for (let i = 0; i < 5; i += 1) await round();
  assert.equal(asked, 0);
  document.hidden = false;
  for (let i = 0; i < 5; i += 1) await round();
  assert.equal(asked, 1);
});

test("a card with live pictures needs no thumbnail", async () => {
  const thumbnails = new Thumbnails();
  const door = { ...card(), live: true };
  thumbnails.add(door);
  seen(door);
  await round();
  assert.equal(asked, 0);
  door.live = false;
  await round();
  assert.equal(asked, 1);
});
