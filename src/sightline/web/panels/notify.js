/** The place of the switch "Notify me on this device". The switch itself is fetched when somebody goes there, or chose it. */

import { remembered } from "../lib/storage.js";
import { may, whoAmI } from "../wire/session.js";
import { byId } from "./page.js";

/** @param {string} stream "" for all that this browser may see @param {AbortSignal} [signal] ends it */
export async function setUpNotify(stream, signal) {
  const place = byId("notify", HTMLElement);
  const session = await whoAmI();
  const only = session?.tokens && session.stream !== "*" ? (session.stream ?? "") : "";
  if (signal?.aborted || !may(session, "view", stream || only)) return;
  const details = byId("notify-details", HTMLDetailsElement);
  const load = async () => (await import("./notify-control.js")).setUpControl(stream, only, signal);
  place.hidden = false;
  if (remembered("notify", "[]") !== "[]") await load();
  else details.addEventListener("toggle", () => void load(), { once: true });
}
