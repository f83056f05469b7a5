/** What the fields of the rule form hold, as a rule and back. Pure. */

/**
 * @typedef {import("../../wire/rules.js").Rule} Rule
 * @typedef {{when: Rule["when"], classes: string[], place: string, direction: string, at_least: string, for_s: string,
 *   span: "any" | "within" | "outside", begin: string, end: string, days: string[], cooldown_s: string,
 *   actions: Rule["actions"]}} Values `place`: "" for the whole picture, `zone:NAME` or `line:NAME`
 */

/** @param {Rule} rule @returns {Values} */
export function toValues(rule) {
  const [begin = "", end = ""] = rule.hours?.split("-") ?? [];
  const timed = rule.hours !== null || rule.days !== null;
  return {
    when: rule.when,
    classes: rule.classes ?? [],
    place: rule.zone ? `zone:${rule.zone}` : rule.line ? `line:${rule.line}` : "",
    direction: rule.direction ?? "",
    at_least: String(rule.at_least),
    for_s: String(rule.for_s),
    span: timed ? (rule.outside ? "outside" : "within") : "any",
    begin,
    end,
    days: rule.days ?? [],
    cooldown_s: String(rule.cooldown_s),
    actions: rule.actions,
  };
}

/**
 * The rule that fields say. What does not go with what was chosen is left out; what is no number goes as it is, so that
 * the server says what it expects.
 *
 * @param {Values} values @param {boolean} enabled
 * @returns {Rule}
 */
export function toRule(values, enabled) {
  const about = values.when === "object";
  const zone = about && values.place.startsWith("zone:") ? values.place.slice(5) : null;
  const line = about && values.place.startsWith("line:") ? values.place.slice(5) : null;
  const timed = values.span !== "any";
  const hours = timed && (values.begin || values.end) ? `${values.begin}-${values.end}` : null;
  const days = timed && values.days.length && values.days.length < 7 ? values.days : null;
  return {
    enabled,
    when: values.when,
    classes: about && values.classes.length ? values.classes : null,
    zone,
    line,
    direction: line && values.direction ? /** @type {"in" | "out"} */ (values.direction) : null,
    at_least: about && !line ? number(values.at_least, 1) : 1,
    for_s: line ? 0 : number(values.for_s, 0),
    hours,
    outside: values.span === "outside" && (hours !== null || days !== null),
    days,
    cooldown_s: number(values.cooldown_s, 0),
    actions: values.actions,
  };
}

/** @param {string} text @param {number} otherwise where nothing was given */
function number(text, otherwise) {
  if (text.trim() === "") return otherwise;
  const value = Number(text);
  return Number.isNaN(value) ? /** @type {number} */ (/** @type {unknown} */ (text)) : value;
}

/** The field beside which a problem with this key of a rule is told. @param {string} key @returns {string} */
export function fieldOf(key) {
  /** @type {Record<string, string>} */
  const fields = { zone: "place", line: "place", hours: "span", outside: "span" };
  const plain = key.replace(/^.*\./, "");
  return fields[plain] ?? plain;
}
