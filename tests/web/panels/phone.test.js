import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { settle } from "../support/fakes.js";

/** An element of the page that does nothing. */
class FakeElement {
  addEventListener() {}
}

/** A screen that stays on until it is released: by the page, or by the phone when the page is hidden. */
class FakeLock {
  released = false;
  async release() {
    this.released = true;
  }
}

let locks;
let phone;

beforeEach(async () => {
  locks = [];
  globalThis.HTMLElement = globalThis.HTMLButtonElement = globalThis.HTMLInputElement = FakeElement;
  globalThis.document = { getElementById: () => new FakeElement(), body: { dataset: {} } };
  Object.defineProperty(globalThis, "navigator", {
    value: { wakeLock: { request: async () => (locks.push(new FakeLock()), locks.at(-1)) } },
    configurable: true,
    writable: true,
  });
  const { Phone } = await import("../../../src/sightline/web/panels/phone.js");
  phone = new Phone(() => {});
});

test("the screen stays on while the camera is, and no longer", async () => {
  await phone.stayAwake(true);
  assert.deepEqual([locks.length, document.body.dataset.awake], [1, "true"]);
  await phone.stayAwake(true);
  assert.equal(locks.length, 1, "once is enough");
  await phone.stayAwake(false);
  assert.deepEqual([locks[0].released, document.body.dataset.awake], [true, "false"]);
});

test("a page that was hidden asks again", async () => {
  await phone.stayAwake(true);
  locks[0].released = true;
  await phone.stayAwake(true);
  assert.deepEqual(locks.map((lock) => lock.released), [true, false]);
});

test("a camera that is stopped while the screen is being asked for lets it go", async () => {
  const asked = phone.stayAwake(true);
  await phone.stayAwake(false);
  await asked;
  await settle();
  assert.deepEqual([locks[0].released, document.body.dataset.awake], [true, "false"]);
});

test("a phone that can't, or won't, is a camera all the same", async () => {
  navigator.wakeLock.request = async () => {
    throw new Error("the battery is low");
  };
  await phone.stayAwake(true);
  assert.equal(document.body.dataset.awake, "false");
  delete navigator.wakeLock;
  await phone.stayAwake(true);
  assert.equal(document.body.dataset.awake, "false");
});
