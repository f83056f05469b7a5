/** The state of notifications in words, with what somebody can do about it. Pure. */

import { t } from "../lib/i18n.js";

/**
 * @param {{permission: import("../notify/device.js").Permission, on: boolean, everywhere: boolean, why: string | null}} state
 *   `everywhere`: it is on for all streams, on a stream's page; `why`: why there is no Web Push, "" where there is, null
 *   while nobody knows
 */
export function notifyWords({ permission, on, everywhere, why }) {
  if (permission !== "allowed" && permission !== "ask") return REFUSED[permission] ?? "";
  if (!on) return t`When a rule with “notify” is fulfilled, its picture shows up here.`;
  if (permission === "ask") return t`The browser has not been asked yet: switch it on again.`;
  const where = everywhere ? t`On, for all streams: switch it off on the start page.` : t`On.`;
  if (why === null) return where;
  return why ? t`${where} Only while a page of this server is open: ${why}.` : t`${where} Also when no page is open.`;
}

/** @type {Record<string, string>} */
const REFUSED = {
  insecure: t`Browsers allow this only on https:// addresses and on the server's own computer. Start the server with --lan.`,
  install: t`On iPhone and iPad, add this page to the Home Screen first (Share, Add to Home Screen), and open it from there.`,
  unsupported: t`This browser can't show notifications.`,
  refused: t`This browser refuses them for this page. To undo that, open the settings beside the address, allow notifications, and load the page again.`,
};
