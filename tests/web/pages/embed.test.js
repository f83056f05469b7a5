import assert from "node:assert/strict";
import { test } from "node:test";

import { atRest, stateOf } from "../../../src/sightline/web/elements/viewer-status.js";
import { embedWords } from "../../../src/sightline/web/pages/embed-words.js";

const HOST = "https://cam.example";
const PAGE = "https://home.example";

function words(changes, page = PAGE) {
  const now = { ...atRest(), ...changes };
  return embedWords({ ...now, state: stateOf(now) }, "door", HOST, page);
}

test("an embedded picture needs no words, and one that is missing has some", () => {
  const open = { phase: "open", hadServer: true };
  assert.equal(words({ ...open, camera: "live", hadPicture: true }), "");
  assert.equal(words({ ...open, camera: "live" }), "Starting …");
  assert.equal(words({ phase: "connecting" }), "Connecting …");
  assert.match(words({ ...open, camera: "waiting" }), /^Waiting for the camera\. Nobody sends “door” right now/);
  assert.match(words({ ...open, camera: "ended", hadPicture: true }), /^The camera is gone/);
  assert.match(words({ ...open, camera: "live", hadPicture: true, quiet: 9e3 }), /^No new picture for a while/);
});

test("a token that is no good is told so, with nothing about signing in", () => {
  const refused = (code) => words({ phase: "closed", refused: { code, message: "no" } });
  assert.match(refused("unauthorized"), /needs a token/);
  assert.match(refused("forbidden"), /something else than viewing/);
  assert.match(refused("limit_reached"), /^The server is full/);
});

test("a server that never answered may not allow the page around it; its own pages it does", () => {
  assert.equal(
    words({ phase: "waiting" }),
    `${HOST} doesn't answer. It may be off, or ${PAGE} is not one of its allowed_origins.`,
  );
  assert.match(words({ phase: "waiting" }, HOST), /^The server doesn't answer/);
  assert.match(words({ phase: "waiting", hadServer: true }), /^The connection to the server is lost/);
});
