/** Search, order and size of the cards. What was chosen last is kept in this browser; what was searched for is not. */

import { setData } from "../../lib/dom.js";
import { remember, remembered } from "../../lib/storage.js";
import { byId } from "../page.js";

/**
 * Wire the tools.
 *
 * @param {() => void} changed called when another order or other streams are wanted
 * @returns {{show: (count: number) => void, wanted: () => {sort: import("./arrange.js").Sort, search: string}}}
 */
export function setUpTools(changed) {
  const tools = byId("tools", HTMLElement);
  const search = byId("search", HTMLInputElement);
  const sort = byId("sort", HTMLSelectElement);
  const size = byId("size", HTMLSelectElement);
  const suit = () => setData(document.body, "size", size.value);
  for (const [field, key] of /** @type {[HTMLSelectElement, string][]} */ ([[sort, "cards-sort"], [size, "cards-size"]])) {
    const before = remembered(key, field.value);
    if ([...field.options].some((option) => option.value === before)) field.value = before;
    field.addEventListener("change", () => remember(key, field.value));
  }
  search.addEventListener("input", changed);
  sort.addEventListener("change", changed);
  size.addEventListener("change", suit);
  search.form?.addEventListener("submit", (event) => event.preventDefault());
  suit();
  return {
    show: (count) => (tools.hidden = count < 2),
    wanted: () => ({ sort: /** @type {import("./arrange.js").Sort} */ (sort.value), search: search.value.trim() }),
  };
}
