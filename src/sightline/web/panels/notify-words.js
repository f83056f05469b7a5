/** The state of notifications in words, with what somebody can do about it. Pure. */

/**
 * @param {{permission: import("../notify/device.js").Permission, on: boolean, everywhere: boolean, why: string | null}} state
 *   `everywhere`: it is on for all streams, on a stream's page; `why`: why there is no Web Push, "" where there is, null
 *   while nobody knows
 */
export function notifyWords({ permission, on, everywhere, why }) {
  if (permission !== "allowed" && permission !== "ask") return REFUSED[permission] ?? "";
  if (!on) return "When a rule with “notify” is fulfilled, its picture shows up here.";
  if (permission === "ask") return "The browser has not been asked yet: switch it on again.";
  const where = everywhere ? "On, for all streams: switch it off on the start page." : "On.";
  if (why === null) return where;
  return why ? `${where} Only while a page of this server is open: ${why}.` : `${where} Also when no page is open.`;
}

/** @type {Record<string, string>} */
const REFUSED = {
  insecure: "Browsers allow this only on https:// addresses and on the server's own computer. Start the server with --lan.",
  install: "On iPhone and iPad, add this page to the Home Screen first (Share, Add to Home Screen), and open it from there.",
  unsupported: "This browser can't show notifications.",
  refused: "This browser refuses them for this page. To undo that, open the settings beside the address, allow notifications, and load the page again.",
};
