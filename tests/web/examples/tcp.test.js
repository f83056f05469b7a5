// The Node example's msgpack, against the golden bytes of every TCP message.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { decode, encode } from "../../../examples/msgpack.mjs";

const golden = JSON.parse(readFileSync(new URL("../../golden/tcp.json", import.meta.url), "utf8"));

/** Binaries as the golden file shows them. */
function readable(value) {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString("hex") };
  if (Array.isArray(value)) return value.map(readable);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, readable(inner)]));
}

for (const [name, { hex, map }] of Object.entries(golden)) {
  test(`${name} is read, and written so that it reads the same`, () => {
    const bytes = Buffer.from(hex, "hex");
    assert.equal(bytes.readUInt32BE(0), bytes.length - 4);
    const message = decode(bytes.subarray(4));
    assert.deepEqual(readable(message), map);
    assert.deepEqual(readable(decode(encode(message))), map);
  });
}

test("numbers of every size and sign are read", () => {
  const cases = [
    ["7f", 127], ["ff", -1], ["e0", -32], ["ccff", 255], ["cdffff", 65535], ["ceffffffff", 4294967295],
    ["cf001fffffffffffff", 2 ** 53 - 1], ["d080", -128], ["d18000", -32768], ["d280000000", -2147483648],
    ["d3ffe0000000000001", -(2 ** 53 - 1)], ["ca3fc00000", 1.5], ["cbc029000000000000", -12.5],
  ];
  for (const [hex, number] of cases) assert.equal(decode(Buffer.from(hex, "hex")), number, hex);
});

test("what Sightline never sends is refused", () => {
  assert.throws(() => decode(Buffer.from("c70105aa", "hex")), /type 0xc7/);
});
