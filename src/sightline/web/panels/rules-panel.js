/** Part of the panel with a stream's rules. What it needs is fetched once somebody opens it. */

import { make, setText } from "../lib/dom.js";
import { byId, loaded } from "./page.js";

/** Wire `#rules`, a `<details>` with `#rules-body`. @param {string} stream */
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
}
