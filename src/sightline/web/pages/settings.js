/** The page of those who manage the server: its condition, tokens, settings and log. */

import { StateBanner } from "../elements/state-banner.js";
import { setData } from "../lib/dom.js";
import { learn, t } from "../lib/i18n.js";
import more from "../lib/language-admin.js";
import { setUpLanguage } from "../panels/language.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { showLan } from "../panels/settings/lan.js";
import { setUpLog, showNewest } from "../panels/settings/log.js";
import { setUpOutputs, showOutputs } from "../panels/settings/outputs.js";
import { setUpSettings, showSettings } from "../panels/settings/list.js";
import { setUpDoctor, showServer } from "../panels/settings/server.js";
import { showShares } from "../panels/settings/shares.js";
import { setUpTokens, showTokens } from "../panels/settings/tokens.js";
import { may, whoAmI } from "../wire/session.js";

const EVERY_MS = 5_000;
const banner = byId("banner", StateBanner);

learn(more.admin);
setUpShell();
setUpLanguage();
void run();

async function run() {
  let session = await whoAmI();
  while (!session) {
    away();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    session = await whoAmI();
  }
  banner.say(null);
  if (!may(session, "admin", "")) return refuse(session.role !== null);
  setUpDoctor();
  setUpLog();
  setUpOutputs();
  let [there] = await Promise.all([showServer(), setUpTokens(), showShares(), setUpSettings(), showOutputs(), showLan()]);
  setData(document.body, "state", "open");
  byId("parts", HTMLElement).hidden = false; // all at once, or each part would push those below it down
  showNewest();
  document.getElementById(location.hash.slice(1))?.scrollIntoView({ block: "start" }); // it was hidden until now
  setInterval(async () => {
    if (document.hidden) return;
    const before = there;
    there = await showServer();
    if (!there) return away();
    banner.say(null);
    await Promise.all([showOutputs(), showLan(), ...(before ? [] : [showTokens(), showShares(), showSettings()])]);
  }, EVERY_MS);
}

function away() {
  banner.say({ icon: "off", kind: "warning", title: t`The server doesn't answer`, text: t`Load this page again, or wait.`, actions: [] });
}

/** @param {boolean} known */
function refuse(known) {
  setData(document.body, "state", "refused");
  const title = known ? t`This is for those who manage the server` : t`Please sign in`;
  const text = known ? t`You signed in for something else: settings need an admin of all streams.` : t`Settings are for admins of this server.`;
  banner.say({ icon: "key", title, text, actions: [{ text: t`Sign in`, id: "sign-in", main: true, href: "/join" }] });
}
