import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { TileFeed, TileFeeds } from "../../../src/sightline/web/wire/tiles.js";
import { FakeBitmap, FakeSocket, current, install, settle } from "../support/fakes.js";

let drawn;
let feed;

beforeEach(() => {
  install();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  drawn = [];
  globalThis.createImageBitmap = async (blob) => {
    if (blob.size === 1) throw new Error("no picture");
    return Object.assign(new FakeBitmap(), { size: blob.size });
  };
  feed = new TileFeed({ onpicture: (stream, picture) => drawn.push([stream, picture.size]) });
});

const round = (seq, ...tiles) => ({
  type: "tiles",
  frameNumber: seq,
  tiles: tiles.map(([stream, jpeg_bytes]) => ({ stream, frameNumber: 1, jpeg_bytes })),
});

test("it says what it wants once, and again on another connection", () => {
  feed.choose([], 320);
  assert.equal(FakeSocket.made.length, 0);
  feed.choose(["a", "b"], 304.4);
  feed.choose(["a", "b"], 304.4);
  current().accept();
  feed.choose(["a", "b"], 304.4);
  assert.deepEqual(current().said, [{ type: "tiles", streams: ["a", "b"], width: 304 }]);
  feed.choose(["a"], 5000);
  assert.deepEqual(current().said.at(-1), { type: "tiles", streams: ["a"], width: 1280 });
  current().leave();
  mock.timers.tick(200);
  current().accept();
  assert.deepEqual(current().said, [{ type: "tiles", streams: ["a"], width: 1280 }]);
});

test("a round's pictures are told by stream, and acknowledged once all are decoded, a broken one too", async () => {
  feed.choose(["a", "b", "c"], 320);
  current().accept();
  current().say(round(7, ["a", 2], ["b", 1], ["c", 3]));
  current().give([1, 2, 3, 4, 5, 6]);
  await settle();
  assert.deepEqual(drawn, [["a", 2], ["c", 3]]);
  assert.deepEqual(current().said.at(-1), { type: "ack", frameNumber: 7 });
});

test("without streams there is no connection, and it comes back with some", () => {
  feed.choose(["a"], 320);
  current().accept();
  feed.choose([], 320);
  assert.equal(current().closedWith, 1000);
  feed.choose(["a"], 320);
  assert.equal(FakeSocket.made.length, 2);
});

test("who is refused for good does not knock again", () => {
  feed.choose(["a"], 320);
  current().accept();
  current().say({ type: "error", code: "forbidden", message: "no" });
  current().leave();
  feed.choose(["a", "b"], 320);
  mock.timers.tick(60_000);
  assert.equal(FakeSocket.made.length, 1);
  assert.equal(feed.refused.code, "forbidden");
});

test("each hub that has streams gets a connection, which ends when it has none", () => {
  const phases = [];
  const feeds = new TileFeeds({ onpicture: () => {}, onphase: (phase, hub) => phases.push([phase, hub]) });
  const there = "http://b:8000";
  feeds.choose([{ name: "a", hub: "http://a:8000" }, { name: "b", hub: there }, { name: "c", hub: there }], 320);
  const [first, second] = FakeSocket.made;
  first.accept();
  second.accept();
  assert.match(second.url, /\/ws\/tiles\?hub=http%3A%2F%2Fb%3A8000$/);
  assert.deepEqual(first.said[0].streams, ["a"]);
  assert.deepEqual(second.said[0].streams, ["b", "c"]);
  feeds.choose([{ name: "a", hub: "http://a:8000" }, { name: "b", hub: "http://a:8000" }], 320);
  assert.equal(second.closedWith, 1000);
  assert.deepEqual(phases.at(-1), ["closed", there]);
  assert.deepEqual(first.said.at(-1).streams, ["a", "b"]);
});
