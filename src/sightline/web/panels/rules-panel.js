/** Part of the panel with a stream's rules. What it needs is fetched once somebody opens it. */

import { make, setText } from "../lib/dom.js";
import { byId, loaded } from "./page.js";

/** Wire `#rules`, a `<details>` with `#rules-body`. The address `#rules` opens it. @param {string} stream */
export function setUpRules(stream) {
  const details = byId("rules", HTMLDetailsElement);
  let begun = false;
  details.addEventListener("toggle", async () => {
    if (!details.open || begun) return;
    begun = true;
    const body = byId("rules-body", HTMLElement);
    const sheet = make("link", { rel: "stylesheet", href: new URL("../css/rules.css", import.meta.url).href });
    try {
      const [{ RuleList }] = await Promise.all([import("./rules/list.js"), loaded(sheet)]);
      await new RuleList(stream, body).follow(() => details.open);
    } catch {
      begun = false;
      setText(body, "The rules could not be loaded. Close this and open it again.");
    }
  });
  const open = () => {
    if (location.hash !== "#rules") return;
    const panel = document.getElementById("panel");
    if (panel?.dataset["open"] === "false") document.getElementById("sheet-handle")?.click();
    details.open = true;
    details.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", open);
  open();
}
