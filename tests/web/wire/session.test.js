import assert from "node:assert/strict";
import { test } from "node:test";

import { may, whoAmI } from "../../../src/sightline/web/wire/session.js";

test("who one is is asked again until the server says it, and then no more", async () => {
  const me = { tokens: true, role: "view", stream: "door", allowed_origins: [] };
  const answers = [
    () => Promise.reject(new TypeError("away")),
    () => Response.json({ error: { code: "shortage", message: "no descriptors" } }, { status: 503 }),
    () => new Response("<html>", { status: 200 }),
    () => Response.json(me),
  ];
  let asked = 0;
  globalThis.fetch = async () => answers[asked++]();
  for (let n = 0; n < 3; n += 1) assert.equal(await whoAmI(), null);
  assert.deepEqual([await whoAmI(), await whoAmI(), asked], [me, me, 4]);
  assert.deepEqual([may(me, "view", "door"), may(me, "publish", "door"), may(null, "admin", "")], [true, false, true]);
});
