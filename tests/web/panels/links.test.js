import assert from "node:assert/strict";
import { test } from "node:test";

import { linksOf } from "../../../src/sightline/web/panels/links/links.js";

const place = (changes = {}) => ({ origin: "https://cam.example:8443", stream: "door", tokens: true, origins: [], own: false, ...changes });
const byId = (changes) => Object.fromEntries(linksOf(place(changes)).map((link) => [link.id, link]));

test("links are true for the address by which the page was reached", () => {
  const links = byId();
  assert.deepEqual(Object.keys(links), [
    ...["element", "frame", "mjpeg", "video", "snapshot", "whep", "websocket", "python", "curl", "home-assistant"],
  ]);
  assert.equal(links["mjpeg"].text, "https://cam.example:8443/mjpeg/door");
  assert.equal(links["websocket"].text, "wss://cam.example:8443/ws?stream=door");
  assert.match(links["element"].text, /src="https:\/\/cam\.example:8443\/embed\.js"/);
  assert.match(links["python"].text, /Client\("wss:\/\/cam\.example:8443", token="TOKEN"\)/);
  for (const { text } of Object.values(links)) assert.ok(text.includes("door"), text);
});

test("a token has its place where one is asked for, and never in what a server would see of an address", () => {
  const [asked, open] = [byId(), byId({ tokens: false })];
  for (const { text, hints } of Object.values(open)) assert.ok(!/TOKEN|token/.test(text + hints.join()), text);
  assert.match(asked["element"].text, /stream="door" token="TOKEN"/);
  assert.match(asked["frame"].text, /\/embed\/door#TOKEN"/);
  assert.match(asked["curl"].text, /^curl -H "Authorization: Bearer TOKEN" -o door\.jpg /);
  for (const { text } of Object.values(asked)) assert.ok(!/[?&/][^#\s"]*TOKEN/.test(text.split("://").slice(1).join()), text);
  for (const id of ["element", "frame", "python", "curl", "home-assistant"]) {
    assert.match(asked[id].hints.join(" "), /sightline token create --stream door --role view/);
  }
  assert.match(asked["mjpeg"].hints.join(" "), /can't bring a token/);
});

test("a certificate of the server's own is trusted by what is copied, or one is told what to trust", () => {
  const links = byId({ own: true });
  assert.match(links["python"].text, /token="TOKEN", ca="sightline-ca\.crt"\)/);
  assert.match(links["curl"].text, /^curl --cacert sightline-ca\.crt -H "Authorization: Bearer TOKEN" -o door\.jpg https:/);
  for (const { id, hints } of Object.values(links)) {
    const place = ["python", "curl"].includes(id) ? "ca.crt" : "trust";
    assert.ok(hints.join(" ").includes(`https://cam.example:8443/${place}`), id);
  }
  for (const { id, text, hints } of Object.values(byId())) assert.ok(!/ca\.crt|\/trust/.test(text + hints.join()), id);
});

test("whose pages may show it is told, or which setting lets them", () => {
  for (const id of ["element", "frame"]) {
    assert.match(byId()[id].hints[0], /allowed_origins/);
    assert.equal(byId({ origins: ["https://home.example"] })[id].hints[0], "Pages of https://home.example may show it.");
  }
  assert.match(byId({ tokens: false })["mjpeg"].hints[0], /allowed_origins/);
});
