/** List of a stream's zones and lines with what they counted, and buttons for who may change them. */

import { colorOf, keyOf, lineWords, zoneWords } from "../../draw/zone-layer.js";
import { make, setText } from "../../lib/dom.js";
import { count } from "../../lib/format.js";
import { className, t } from "../../lib/i18n.js";
import { inWords, lately, lineRows, speedInWords, zoneRows } from "./words.js";

/**
 * @typedef {import("../../draw/zone-layer.js").Named} Named
 * @typedef {import("../../wire/zones.js").Counted} Counted
 * @typedef {import("../../wire/zones.js").Report} Report
 * @typedef {"edit" | "reset" | "remove"} Deed
 * @typedef {{item: HTMLLIElement, details: HTMLDetailsElement, swatch: HTMLElement, figure: HTMLElement,
 *   hint: HTMLElement, table: HTMLElement, facts: HTMLElement, buttons: HTMLButtonElement[], shown: string}} Entry
 */

/** @type {[Deed, string, string][]} */
const DEEDS = [
  ["edit", t`Edit`, t`Edit`],
  ["reset", t`Reset counts`, t`Have it count from nothing:`],
  ["remove", t`Delete`, t`Delete`],
];
const HEADS = { zone: [t`entered`, t`left`, t`stay`, t`longest`], line: [t`in`, t`out`] };
const MOST_SPEEDS = 5;

export class ShapeList {
  #list;
  #act;
  /** Those in the list. @type {Map<string, Entry>} */
  #entries = new Map();
  /** All that there were: one that comes back is as it was. @type {Map<string, Entry>} */
  #made = new Map();

  /** @param {HTMLElement} list @param {(deed: Deed, one: {kind: Named["kind"], name: string}) => void} act */
  constructor(list, act) {
    this.#list = list;
    this.#act = act;
  }

  /** True if somebody looks at the figures of one. */
  get open() {
    return [...this.#entries.values()].some(({ details }) => details.open);
  }

  /** Put the focus on a button of one, or on the one. @param {string} key @param {Deed} deed */
  focus(key, deed) {
    const entry = this.#entries.get(key);
    const button = entry?.buttons.find((one) => one.dataset["deed"] === deed);
    (button?.checkVisibility() ? button : entry?.details.querySelector("summary"))?.focus();
  }

  /** Have an entry for each of these. @param {readonly Named[]} all @param {boolean} mayChange */
  have(all, mayChange) {
    this.#entries = new Map();
    for (const one of all) {
      const entry = this.#made.get(keyOf(one)) ?? this.#entry(one);
      this.#made.set(keyOf(one), entry);
      this.#entries.set(keyOf(one), entry);
      entry.swatch.style.backgroundColor = colorOf(one.name, one.shape.color);
      for (const button of entry.buttons) button.hidden = !mayChange;
    }
    const items = [...this.#entries.values()].map(({ item }) => item);
    const same = items.length === this.#list.children.length && items.every((item, n) => this.#list.children[n] === item);
    if (!same) this.#list.replaceChildren(...items); // else the focus would be lost
  }

  /** Show what was counted. @param {Counted | undefined} counted with the last picture @param {Report} report */
  show(counted, report) {
    for (const [key, entry] of this.#entries) {
      const [kind = "", name = ""] = key.split(" ");
      const told = kind === "zone" ? zoneTold(name, counted, report) : lineTold(name, counted, report);
      if (!told) continue;
      setText(entry.figure, told.words);
      setText(entry.hint, unknownInWords(told.unknown));
      const shown = entry.details.open ? JSON.stringify(told) : "";
      if (!shown || shown === entry.shown) continue;
      entry.shown = shown;
      entry.table.replaceChildren(...tableOf(HEADS[told.kind], told.rows));
      entry.facts.replaceChildren(...told.facts.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text))));
    }
  }

  /** @param {{kind: Named["kind"], name: string}} one @returns {Entry} */
  #entry(one) {
    const swatch = make("span", { class: `dot ${one.kind}` });
    const figure = make("span", { class: "figure" });
    const name = make("span", { class: "zone-name" }, one.name);
    const hint = make("p", { class: "problem" });
    const table = make("table", { class: "counts" });
    const facts = make("dl", { class: "numbers" });
    const buttons = DEEDS.map(([deed, text, says]) => {
      const attributes = { type: "button", class: "button", "data-deed": deed, "aria-label": `${says} ${one.name}` };
      const button = make("button", attributes, text);
      button.addEventListener("click", () => this.#act(deed, one));
      return button;
    });
    const details = make(
      "details",
      {},
      make("summary", {}, swatch, make("span", { class: "unseen" }, one.kind === "zone" ? t`Zone` : t`Line`), name, figure),
      make("div", { class: "inside" }, hint, table, facts, make("div", { class: "row deeds" }, ...buttons)),
    );
    const item = make("li", { "data-key": keyOf(one) }, details);
    details.addEventListener("toggle", () => this.onopen());
    return { item, details, swatch, figure, hint, table, facts, buttons, shown: "" };
  }

  /** Called when somebody opens or closes one. */
  onopen() {}
}

/**
 * @typedef {{kind: "zone" | "line", words: string, unknown: string[], rows: import("./words.js").Row[],
 *   facts: [string, string][]}} Told
 */

/** @param {string} name @param {Counted | undefined} counted @param {Report} report @returns {Told | null} */
function zoneTold(name, counted, report) {
  const known = report.zones[name];
  if (!known) return null;
  const { now, most, dwell, counts } = known;
  const figures = counted?.zones[name] ?? { now, most, dwell, entered: counts.total.in, left: counts.total.out };
  const speeds = Object.entries(counted?.speeds?.[name] ?? {}).slice(0, MOST_SPEEDS);
  /** @type {[string, string][]} */
  const facts = [
    [t`In it now`, inWords(figures.now)],
    [t`Most at a time`, count(figures.most)],
    .../** @type {[string, string][]} */ (lately("zone", counts, report.hour)),
    ...speeds.map(([track, speed]) => /** @type {[string, string]} */ ([t`Speed of #${track}`, speedInWords(speed)])),
  ];
  return { kind: "zone", words: zoneWords(figures)[0] ?? "", unknown: known.unknown_classes, rows: zoneRows(figures), facts };
}

/** @param {string} name @param {Counted | undefined} counted @param {Report} report @returns {Told | null} */
function lineTold(name, counted, report) {
  const known = report.lines[name];
  if (!known) return null;
  const figures = counted?.lines[name] ?? known.counts.total;
  const facts = /** @type {[string, string][]} */ (lately("line", known.counts, report.hour));
  return { kind: "line", words: lineWords(figures)[0] ?? "", unknown: known.unknown_classes, rows: lineRows(figures), facts };
}

/** @param {string[]} heads @param {import("./words.js").Row[]} rows */
function tableOf(heads, rows) {
  if (!rows.length) return [make("caption", {}, t`Nothing was counted yet.`)];
  const head = make("tr", {}, make("td"), ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map(({ name, cells }) =>
    make("tr", {}, make("th", { scope: "row" }, className(name)), ...cells.map((text) => make("td", {}, text))),
  );
  return [make("thead", {}, head), make("tbody", {}, ...body)];
}

/** @param {string[]} unknown */
function unknownInWords(unknown) {
  return unknown.length ? t`The model of this stream doesn't know ${unknown.map((one) => `“${one}”`).join(", ")}: they count nothing.` : "";
}
