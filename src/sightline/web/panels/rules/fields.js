/** The fields of a rule, in the order of its sentence. */

import { make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { ClassField } from "./class-field.js";
import { fieldOf, toRule, toValues } from "./form-values.js";
import { ACTIONS, DAYS } from "./words.js";

/** @typedef {import("../../wire/rules.js").Rule} Rule */

export class RuleFields {
  element = make("div", { class: "rule-fields" });
  #classes;
  #when = select("when", t`What it is about`, [
    ["object", t`an object`],
    ["scene", t`the camera is covered or moved`],
    ["stream", t`the camera is lost`],
  ]);
  #least = number("at_least", t`Number of objects`, { min: "1", max: "1000", step: "1" });
  #place = select("place", t`Place`, []);
  #direction = select("direction", t`Way`, [["", t`either way`], ["in", t`in`], ["out", t`out`]]);
  #for = number("for_s", t`Seconds that it has to last`, { min: "0", max: "86400", step: "any" });
  #span = select("span", t`Time of day`, [["any", t`at any time`], ["within", t`only between`], ["outside", t`only outside`]]);
  #begin = make("input", { type: "time", id: "rule-begin", "aria-label": t`Begin of the time of day` });
  #end = make("input", { type: "time", id: "rule-end", "aria-label": t`End of the time of day` });
  #days = new Map(DAYS.map(([day]) => [day, make("input", { type: "checkbox", name: "rule-day", value: day })]));
  #cooldown = number("cooldown_s", t`Seconds until it counts again`, { min: "0", max: "604800", step: "any" });
  #actions = new Map(ACTIONS.map(([name]) => [name, make("input", { type: "checkbox", id: `rule-${name}`, value: name })]));
  /** @type {Map<string, {clause: HTMLElement, problem: HTMLElement}>} */
  #clauses = new Map();

  /** @param {() => void} change */
  constructor(change) {
    this.#classes = new ClassField(change);
    const days = DAYS.map(([day, text]) => make("label", { class: "day" }, this.#days.get(day) ?? "", make("span", {}, text)));
    const actions = ACTIONS.map(([name, title]) =>
      make("label", { class: "action", title }, this.#actions.get(name) ?? "", make("span", {}, name)),
    );
    this.element.append(
      this.#clause("when", t`When`, this.#when),
      this.#clause("classes", "", this.#classes.element),
      this.#clause("place", "", this.#place),
      this.#clause("direction", "", this.#direction),
      this.#clause("at_least", t`at least`, this.#least, t`at once`),
      this.#clause("for_s", t`for`, this.#for, "s"),
      this.#clause("span", "", this.#span, make("span", { class: "between" }, this.#begin, "–", this.#end)),
      this.#clause("days", t`on`, make("span", { class: "days-field", role: "group", "aria-label": t`Days, none for all` }, ...days)),
      this.#clause("cooldown_s", t`not again for`, this.#cooldown, "s"),
      this.#clause("actions", t`then`, make("span", { class: "actions-field", role: "group", "aria-label": t`What is done` }, ...actions)),
    );
    this.element.addEventListener("input", () => {
      this.#suit();
      change();
    });
  }

  /** @param {Rule} rule */
  show(rule) {
    const values = toValues(rule);
    this.#when.value = values.when;
    this.#classes.value = values.classes;
    if (values.place && ![...this.#place.options].some((one) => one.value === values.place)) {
      this.#place.append(make("option", { value: values.place }, t`${values.place.slice(5)} (gone)`));
    }
    this.#place.value = values.place;
    this.#direction.value = values.direction;
    this.#least.value = values.at_least;
    this.#for.value = values.for_s;
    this.#span.value = values.span;
    this.#begin.value = values.begin;
    this.#end.value = values.end;
    for (const [day, box] of this.#days) box.checked = values.days.includes(day);
    this.#cooldown.value = values.cooldown_s;
    for (const [name, box] of this.#actions) box.checked = values.actions.includes(name);
    this.#suit();
    this.problem("", "");
  }

  /** The rule that the fields say. @param {boolean} enabled @returns {Rule} */
  rule(enabled) {
    const values = {
      when: /** @type {Rule["when"]} */ (this.#when.value),
      classes: this.#classes.value,
      place: this.#place.value,
      direction: this.#direction.value,
      at_least: this.#least.value,
      for_s: this.#for.value,
      span: /** @type {"any" | "within" | "outside"} */ (this.#span.value),
      begin: this.#begin.value,
      end: this.#end.value,
      days: [...this.#days].filter(([, box]) => box.checked).map(([day]) => day),
      cooldown_s: this.#cooldown.value,
      actions: [...this.#actions].filter(([, box]) => box.checked).map(([name]) => name),
    };
    return toRule(values, enabled);
  }

  /** Places to choose from. @param {readonly string[]} zones @param {readonly string[]} lines */
  places(zones, lines) {
    const chosen = this.#place.value;
    this.#place.replaceChildren(make("option", { value: "" }, t`is in the picture`));
    for (const [kind, names] of /** @type {const} */ ([["zone", zones], ["line", lines]])) {
      this.#place.append(...names.map((name) => make("option", { value: `${kind}:${name}` }, kind === "zone" ? t`is in ${name}` : t`crosses ${name}`)));
    }
    this.#place.value = chosen;
  }

  /** @param {readonly string[]} names */
  suggestClasses(names) {
    this.#classes.suggest(names);
  }

  /** Tell a problem beside its field. Returns false if it is none of these. @param {string} key @param {string} text */
  problem(key, text) {
    const field = fieldOf(key);
    for (const [name, { clause, problem }] of this.#clauses) {
      const wrong = text !== "" && name === field;
      setText(problem, wrong ? text : "");
      const control = clause.querySelector("select, input");
      if (wrong) control?.setAttribute("aria-invalid", "true");
      else control?.removeAttribute("aria-invalid");
      if (wrong && control instanceof HTMLElement) control.focus();
    }
    return text === "" || this.#clauses.has(field);
  }

  /** Show only what goes with what was chosen. */
  #suit() {
    const about = this.#when.value === "object";
    const line = about && this.#place.value.startsWith("line:");
    const timed = this.#span.value !== "any";
    const shown = { classes: about, at_least: about && !line, place: about, direction: line, for_s: !line, days: timed };
    for (const [name, wanted] of Object.entries(shown)) {
      const found = this.#clauses.get(name);
      if (found) found.clause.hidden = !wanted;
    }
    const between = this.#begin.parentElement;
    if (between) between.hidden = !timed;
  }

  /** @param {string} name @param {string} word @param {(Node | string)[]} parts */
  #clause(name, word, ...parts) {
    const problem = make("span", { class: "problem", id: `rule-${name}-why`, role: "alert" });
    const line = make("span", { class: "clause-line" }, ...(word ? [make("span", {}, word)] : []), ...parts);
    const clause = make("span", { class: "clause", "data-clause": name }, line, problem);
    for (const part of parts) {
      if (part instanceof HTMLInputElement || part instanceof HTMLSelectElement) part.setAttribute("aria-describedby", problem.id);
    }
    this.#clauses.set(name, { clause, problem });
    return clause;
  }
}

/** @param {string} name @param {string} label @param {[string, string][]} options */
function select(name, label, options) {
  const shown = options.map(([value, text]) => make("option", { value }, text));
  return make("select", { id: `rule-${name}`, "aria-label": label }, ...shown);
}

/** @param {string} name @param {string} label @param {Record<string, string>} limits */
function number(name, label, limits) {
  return make("input", { type: "number", id: `rule-${name}`, "aria-label": label, inputmode: "decimal", ...limits });
}
