import assert from "node:assert/strict";
import { test } from "node:test";

import { Receiver } from "../../../src/sightline/web/wire/receiver.js";
import { settle } from "../support/fakes.js";

/** A receiver whose decoding the test lets finish, and what came of it. */
function setUp() {
  const shown = [];
  const broken = [];
  const decoding = [];
  const receiver = new Receiver(
    {
      onpicture: (meta, picture) => shown.push([meta.frameNumber, picture]),
      onbroken: (meta) => broken.push(meta.frameNumber),
    },
    (meta, bytes) => new Promise((resolve, reject) => decoding.push({ meta, bytes, resolve, reject })),
  );
  const come = (frameNumber, bytes = [frameNumber]) => {
    receiver.announce({ frameNumber });
    receiver.receive(new Uint8Array(bytes).buffer);
  };
  return { receiver, shown, broken, decoding, come };
}

test("a picture is what was announced and the bytes after it", async () => {
  const { decoding, shown, come } = setUp();
  come(7, [1, 2, 3]);
  assert.deepEqual([...decoding[0].bytes], [1, 2, 3]);
  decoding[0].resolve("picture");
  await settle();
  assert.deepEqual(shown, [[7, "picture"]]);
});

test("while one is decoded only the newest waits", async () => {
  const { receiver, decoding, shown, come } = setUp();
  for (const n of [1, 2, 3, 4]) come(n);
  assert.equal(receiver.waiting, 2);
  decoding[0].resolve("one");
  await settle();
  decoding[1].resolve("four");
  await settle();
  assert.deepEqual(shown, [[1, "one"], [4, "four"]]);
  assert.equal(receiver.skipped, 2);
  assert.equal(receiver.waiting, 0);
});

test("a picture that can't be decoded is told, and the next one is shown", async () => {
  const { decoding, shown, broken, come } = setUp();
  come(1);
  decoding[0].reject(new Error("not a JPEG"));
  await settle();
  come(2);
  decoding[1].resolve("two");
  await settle();
  assert.deepEqual(broken, [1]);
  assert.deepEqual(shown, [[2, "two"]]);
});

test("nothing is decoded while nobody looks, then the newest", async () => {
  const { receiver, decoding, come } = setUp();
  receiver.pause(true);
  come(1);
  come(2);
  await settle();
  assert.equal(decoding.length, 0);
  receiver.pause(false);
  assert.equal(decoding[0].meta.frameNumber, 2);
});

test("bytes without an announcement, and a half picture of a lost connection, are passed over", async () => {
  const { receiver, decoding } = setUp();
  receiver.receive(new ArrayBuffer(3));
  receiver.announce({ frameNumber: 1 });
  receiver.reset();
  receiver.receive(new ArrayBuffer(3));
  assert.equal(decoding.length, 0);
});
