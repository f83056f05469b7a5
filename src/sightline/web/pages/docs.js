/** The page of the HTTP API: what `/openapi.json` says, for people. */

import { make, setText } from "../lib/dom.js";
import { operations } from "../panels/openapi.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";

setUpShell();
void run();

async function run() {
  const about = byId("about", HTMLElement);
  const answer = await fetch("/openapi.json").catch(() => null);
  if (answer === null) return setText(about, "The server does not answer. Load this page again.");
  if (answer.status === 401) return setText(about, "You are not signed in. Sign in on the start page, then come back.");
  if (!answer.ok) return setText(about, `The server refuses: ${(await answer.json()).error?.message}`);
  const api = await answer.json();
  about.replaceChildren(
    `Version ${api.info.version}. Programs read the same from `,
    make("a", { href: "/openapi.json" }, "/openapi.json"),
    ". Every path with GET answers HEAD, too. An error is an Error, below.",
  );
  byId("operations", HTMLElement).replaceChildren(...operations(api));
}
