/** Where a zone's four corners lie on the ground, in metres: then the speed of what is in it is told. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";

const CORNERS = 4;

export class Ground {
  element;
  #why = make("p", { class: "problem", id: "zone-ground-why", role: "status" });
  #few = make("p", { class: "hint" }, t`Only a zone of four corners can have it.`);
  #fields;
  #table;

  /** @param {readonly (readonly [number, number])[] | null} places */
  constructor(places) {
    this.#fields = Array.from({ length: CORNERS }, (_, n) =>
      ["x", "y"].map((axis, i) => {
        const label = t`Corner ${n + 1}, ${axis} in metres`;
        const field = make("input", { type: "number", step: "any", inputmode: "decimal", "aria-label": label, id: `zone-ground-${n + 1}${axis}` });
        field.value = places?.[n] === undefined ? "" : String(places[n]?.[i]);
        return field;
      }),
    );
    const rows = this.#fields.map((pair, n) =>
      make("tr", {}, make("th", { scope: "row" }, t`Corner ${n + 1}`), ...pair.map((field) => make("td", {}, field))),
    );
    const heads = ["", t`x, metres`, t`y, metres`].map((text) => make("th", { scope: "col" }, text));
    this.#table = make("table", { class: "ground" }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
    const hint = make("p", { class: "hint" }, t`Measure where the four corners lie on the ground, from any point. A rectangle of 4 by 12 metres: 0, 0; 4, 0; 4, 12; 0, 12.`);
    const inside = make("div", { class: "inside" }, hint, this.#few, this.#table, this.#why);
    this.element = make("details", { id: "zone-ground" }, make("summary", {}, make("span", {}, t`Speed, by places on the ground`)), inside);
    this.element.open = places !== null;
  }

  /** Tell it how many corners the zone has. @param {number} corners */
  suit(corners) {
    this.#few.hidden = corners === CORNERS;
    this.#table.hidden = corners !== CORNERS;
  }

  /** Places of the corners; null where none is given. @param {number} corners @returns {[number, number][] | null} */
  value(corners) {
    const given = this.#fields.flat().some(({ value }) => value !== "");
    if (!given || corners !== CORNERS) return null;
    return this.#fields.map(([x, y]) => [Number(x?.value || "NaN"), Number(y?.value || "NaN")]);
  }

  /** What is wrong with them, before the server is asked. @param {number} corners */
  problem(corners) {
    const places = this.value(corners);
    return places?.flat().some(Number.isNaN) ? t`All eight numbers are needed, or none.` : "";
  }
}
