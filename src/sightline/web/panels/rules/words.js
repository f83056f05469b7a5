/** Rules in words. Pure, so that each can be tested. */

import { plural, several } from "../../lib/format.js";
import { className, t } from "../../lib/i18n.js";
import { duration, wayInWords } from "../events/words.js";
import { megabytes } from "../model-words.js";

/** @typedef {import("../../wire/rules.js").Rule} Rule */

/** Days of the week, as rules have them and as people read them. @type {[string, string][]} */
export const DAYS = [
  ["mon", t`Mon`],
  ["tue", t`Tue`],
  ["wed", t`Wed`],
  ["thu", t`Thu`],
  ["fri", t`Fri`],
  ["sat", t`Sat`],
  ["sun", t`Sun`],
];

/** Who may be told and what may be kept, with what that means. @type {[import("../../wire/rules.js").Action, string][]} */
export const ACTIONS = [
  ["notify", t`Notifications on phones and computers`],
  ["webhook", t`The webhooks of the settings file`],
  ["mqtt", t`The MQTT brokers of the settings file, such as Home Assistant's`],
  ["command", t`The commands of the settings file`],
  ["clip", t`A clip of the moment, also where the stream is not recorded otherwise`],
];

/** A new rule. @returns {Rule} */
export function newRule() {
  return {
    ...{ enabled: true, when: "object", classes: null, zone: null, line: null, direction: null, at_least: 1 },
    ...{ for_s: 2, hours: null, outside: false, days: null, cooldown_s: 60, actions: ACTIONS.map(([name]) => name).filter((name) => name !== "clip") },
  };
}

/** A rule as a sentence, as the server has it. @param {Rule} rule */
export function sentence(rule) {
  const parts = [t`When ${condition(rule)}${rule.for_s > 0 ? t` for ${rule.for_s} s` : ""}`];
  const hours = hoursInWords(rule);
  if (hours) parts.push(hours);
  if (rule.cooldown_s > 0) parts.push(t`not again for ${rule.cooldown_s} s`);
  return `${parts.join(", ")}: ${rule.actions.length ? rule.actions.join(", ") : t`tell nobody`}.`;
}

/** @param {Rule} rule */
function condition({ when, classes, zone, line, direction, at_least }) {
  if (when === "scene") return t`the camera is covered or moved`;
  if (when === "stream") return t`the camera is lost`;
  if (line) return t`${one(classes)} crosses ${line}${direction ? ` ${wayInWords(direction)}` : ""}`;
  if (at_least > 1) {
    const many = amount(classes, at_least);
    return zone ? t`at least ${many} are in ${zone}` : t`at least ${many} are in the picture`;
  }
  return zone ? t`${one(classes)} is in ${zone}` : t`${one(classes)} is in the picture`;
}

/** @param {string[] | null} classes */
function one(classes) {
  if (!classes?.length) return t`anything`;
  return either(classes.map((name) => (/^[aeiou]/i.test(name) ? t`an ${className(name)}` : t`a ${className(name)}`)));
}

/** @param {string[] | null} classes @param {number} n */
function amount(classes, n) {
  if (!classes?.length) return plural(n, "object");
  const [first = "", ...rest] = classes;
  return either([several(n, first), ...rest.map((name) => several(n, name).replace(/^\d+ /, ""))]);
}

/** @param {string[]} names */
function either(names) {
  if (names.length < 2) return names.join("");
  return t`${names.slice(0, -1).join(", ")} or ${names.at(-1)}`;
}

/** @param {Rule} rule */
function hoursInWords({ hours, outside, days }) {
  const on = days?.length && days.length < DAYS.length ? daysInWords(days) : "";
  const when = [hours, on && t`on ${on}`].filter(Boolean).join(" ");
  return when && (outside ? t`outside ${when}` : when);
}

/** Days in the week's order; more than two in a row as a span. @param {string[]} days */
export function daysInWords(days) {
  /** @type {string[][]} */
  const runs = [];
  let last = -2;
  for (const [at, [day, text]] of DAYS.entries()) {
    if (!days.includes(day)) continue;
    if (at === last + 1) runs.at(-1)?.push(text);
    else runs.push([text]);
    last = at;
  }
  return runs.map((run) => (run.length > 2 ? t`${run[0]} to ${run.at(-1)}` : run.join(", "))).join(", ");
}

/**
 * A name for a rule, of what it is about.
 *
 * @param {Rule} rule @param {Iterable<string>} taken
 */
export function nameFor({ when, classes, zone, line }, taken) {
  const about = when === "object" ? [classes?.[0] ?? "anything", zone ?? line ?? ""] : [when === "scene" ? "covered" : "lost"];
  const base = about.filter(Boolean).join("-").replaceAll(/[^A-Za-z0-9_-]+/g, "-").slice(0, 60) || "rule";
  const names = new Set(taken);
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!names.has(name)) return name;
  }
}

/**
 * Reason why a name can't be used; "" if it can.
 *
 * @param {string} name @param {Iterable<string>} taken
 */
export function problemWithName(name, taken) {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) return t`Expected 1 to 64 letters, digits, “-” or “_”.`;
  return [...taken].includes(name) ? t`There is a rule of this name already.` : "";
}

/** What the server says keeps a rule from being fulfilled, as a sentence. @param {string} text */
export function troubleInWords(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

/** How often a rule was fulfilled. @param {number} fired @param {string} last how long ago the last time was, or "" */
export function firedInWords(fired, last) {
  if (!fired) return t`It has not been fulfilled yet.`;
  return t`Fulfilled ${fired === 1 ? t`once` : t`${fired} times`}${last && t`, last ${last}`}.`;
}

/**
 * What a trial found.
 *
 * @param {import("../../wire/rules.js").Tried} tried @param {boolean} clip whether it was a clip @param {Rule} rule
 */
export function triedInWords({ seconds, fired }, clip, { hours, days }) {
  if (!seconds) return clip ? t`The clip has no pictures.` : t`Nothing was seen over the last minutes, so there is nothing to test on yet.`;
  const span = clip ? t`the clip's ${duration(seconds)}` : t`the last ${duration(seconds)}`;
  const aside = clip && (hours || days) ? t` A clip has no time of day, so the hours are left aside.` : "";
  if (!fired.length) return t`It would not have been fulfilled over ${span}.${aside}`;
  return t`Over ${span} it would have been fulfilled ${fired.length === 1 ? t`once` : t`${fired.length} times`}.${aside}`;
}

/** @param {number} bytes of a clip @param {number} most */
export function tooLargeInWords(bytes, most) {
  return t`The clip has ${megabytes(bytes)}. Expected at most ${megabytes(most)}.`;
}
