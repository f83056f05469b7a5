/** A part of the panel whose script and style sheet are fetched once somebody opens it. */

import { make, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { byId, loaded } from "./page.js";

/**
 * Wire `#ID`, a `<details>` with `#ID-body`.
 *
 * @template T
 * @param {string} id also the name of its style sheet @param {() => Promise<T>} load imports what it needs
 * @param {(loaded: T, body: HTMLElement, isOpen: () => boolean) => Promise<unknown>} begin not called once the part is gone
 */
export function setUpLazyPart(id, load, begin) {
  const details = byId(id, HTMLDetailsElement);
  let begun = false;

  async function look() {
    if (!details.open || begun) return;
    begun = true;
    const body = byId(`${id}-body`, HTMLElement, details);
    const sheet = make("link", { rel: "stylesheet", href: new URL(`../css/${id}.css`, import.meta.url).href });
    try {
      const [module] = await Promise.all([load(), loaded(sheet)]);
      if (details.isConnected) await begin(module, body, () => details.open);
    } catch {
      begun = false;
      setText(body, t`This could not be loaded. Close it and open it again.`);
    }
  }

  details.addEventListener("toggle", look);
  void look(); // it may have been opened before this script was there
}
