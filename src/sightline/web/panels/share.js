/** The link for viewers, with a hint for whom it works. */

import { setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { whoAmI } from "../wire/session.js";
import { byId } from "./page.js";
import { setUpCopy } from "./shell.js";

/** @param {string} stream */
export function setUpLink(stream) {
  const field = byId("link", HTMLInputElement);
  field.value = `${location.origin}/view/${stream}`;
  setUpCopy(byId("copy", HTMLButtonElement), field);
  const viewer = document.getElementById("open-view");
  if (viewer instanceof HTMLAnchorElement) viewer.href = field.value;
  const here = isLoopback(location.hostname);
  const hint = byId("link-hint", HTMLElement);
  setText(hint, here ? t`It works on this computer only.` : "");
  void suitRights(hint, viewer);
}

/** @param {HTMLElement} hint @param {HTMLElement | null} viewer the button that opens the link */
async function suitRights(hint, viewer) {
  const session = await whoAmI();
  if (!session?.tokens) return;
  setText(hint, t`Whoever opens it needs a code or a token to watch this stream.`);
  if (viewer) viewer.hidden = session.role === "publish";
}

/** @param {string} host */
export function isLoopback(host) {
  return host === "localhost" || host.endsWith(".localhost") || host.startsWith("127.") || host === "[::1]";
}
