/** The filters of the events page as a form. */

import { make, setData, setText } from "../../lib/dom.js";
import { className, t } from "../../lib/i18n.js";
import { nameOf } from "../../wire/stream-names.js";
import { byId } from "../page.js";
import { SPANS, anySet, timeSet, toIso, toLocal } from "./filters.js";
import { KINDS } from "./words.js";

/** @typedef {import("./filters.js").Filters} Filters */

const CHOSEN = "chosen";
/** Fields with a value of their own. */
const NAMES = /** @type {const} */ (["stream", "kind", "class", "zone", "rule"]);
const MOST_SUGGESTED = 300;
/** How values are shown that are not shown as they are. @type {Record<string, (value: string) => string>} */
const SHOWN = { class: className, stream: nameOf };

export class FilterForm {
  #form = byId("filters", HTMLFormElement);
  #toggle = byId("filters-toggle", HTMLButtonElement);
  #span = byId("filter-last", HTMLSelectElement);
  #since = byId("filter-since", HTMLInputElement);
  #until = byId("filter-until", HTMLInputElement);
  #why = byId("filter-span-why", HTMLElement);
  #change;
  /** Values that were met, by field. @type {Map<string, Set<string>>} */
  #met = new Map();

  /** @param {(filters: Filters) => void} change */
  constructor(change) {
    this.#change = change;
    const kind = byId("filter-kind", HTMLSelectElement);
    kind.append(...KINDS.map(([value, text]) => make("option", { value }, text)));
    this.#span.append(...SPANS.map(([value, text]) => make("option", { value }, text)));
    this.#span.append(make("option", { value: CHOSEN }, t`Between …`));
    this.#form.addEventListener("change", () => {
      this.#showSpan();
      const filters = this.#read();
      const back = Boolean(filters.since && filters.until && filters.since > filters.until);
      setText(this.#why, back ? t`It ends before it begins.` : "");
      this.#until.setAttribute("aria-invalid", String(back));
      if (!back) change(filters);
    });
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    byId("filters-clear", HTMLButtonElement).addEventListener("click", () => this.clear());
    this.#toggle.addEventListener("click", () => this.#open(this.#form.dataset["open"] !== "true"));
    this.#open(false);
  }

  /** Begin to type there. */
  focus() {
    this.#open(true);
    byId("filter-stream", HTMLSelectElement).focus();
  }

  clear() {
    for (const name of NAMES) this.#field(name).value = "";
    this.#span.value = this.#since.value = this.#until.value = "";
    setText(this.#why, "");
    this.#until.removeAttribute("aria-invalid");
    this.#showSpan();
    this.#change(this.#read());
    byId("filter-stream", HTMLSelectElement).focus();
  }

  /** @param {Filters} filters */
  show(filters) {
    for (const name of NAMES) {
      this.suggest(name, [filters[name]]);
      this.#field(name).value = filters[name];
    }
    this.#since.value = toLocal(filters.since);
    this.#until.value = toLocal(filters.until);
    const other = filters.last && !SPANS.some(([value]) => value === filters.last);
    if (other) this.#span.append(make("option", { value: filters.last }, t`Last ${Number(filters.last) / 3600} hours`));
    this.#span.value = filters.since || filters.until ? CHOSEN : filters.last;
    this.#showSpan();
    this.#count(filters);
  }

  /** Offer values that were met. @param {(typeof NAMES)[number]} name @param {Iterable<string>} values */
  suggest(name, values) {
    const met = this.#met.get(name) ?? new Set();
    this.#met.set(name, met);
    const field = this.#field(name);
    const place = field instanceof HTMLSelectElement ? field : field.list;
    for (const value of values) {
      const there = name === "kind" && KINDS.some(([kind]) => kind === value);
      if (!value || met.has(value) || met.size >= MOST_SUGGESTED || there) continue;
      met.add(value);
      place?.append(make("option", { value }, SHOWN[name]?.(value) ?? value));
    }
  }

  /** Call streams by what is known by now. */
  showNames() {
    for (const option of byId("filter-stream", HTMLSelectElement).options) if (option.value) setText(option, nameOf(option.value));
  }

  /** @returns {Filters} */
  #read() {
    const given = Object.fromEntries(NAMES.map((name) => [name, this.#field(name).value.trim()]));
    const chosen = this.#span.value === CHOSEN;
    const times = {
      last: chosen ? "" : this.#span.value,
      since: chosen ? toIso(this.#since.value) : "",
      until: chosen ? toIso(this.#until.value) : "",
    };
    const filters = /** @type {Filters} */ ({ ...given, ...times });
    this.#count(filters);
    return filters;
  }

  #showSpan() {
    byId("filter-span", HTMLElement).hidden = this.#span.value !== CHOSEN;
  }

  /** @param {Filters} filters */
  #count(filters) {
    const n = NAMES.filter((name) => filters[name]).length + Number(timeSet(filters));
    setText(byId("filters-count", HTMLElement), n ? t`Filters (${n})` : t`Filters`);
    byId("filters-clear", HTMLButtonElement).disabled = !anySet(filters);
  }

  /** @param {boolean} wanted */
  #open(wanted) {
    setData(this.#form, "open", String(wanted));
    this.#toggle.setAttribute("aria-expanded", String(wanted));
  }

  /** @param {string} name */
  #field(name) {
    const field = this.#form.elements.namedItem(name);
    if (!(field instanceof HTMLInputElement || field instanceof HTMLSelectElement)) throw new Error(`no field ${name}`);
    return field;
  }
}
