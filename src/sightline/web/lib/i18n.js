/** Words in the language of the page. In the code they stand in English, which is their key in the language's file. */

import chosen from "./language.js";

/** @typedef {{language: string, words: Record<string, string>, classes: Record<string, string>, said: Record<string, string>}} Language */

const KINDS = /** @type {const} */ (["zero", "one", "two", "few", "many", "other"]);
let { words, classes, said: sentences } = chosen;
export let { language } = chosen;
/** For `Intl`: the person's own region where the language is theirs. */
export let locale = localeOf(language);
/** For days: English ones are the same for everybody. */
export let dateLocale = language === "en" ? "en-GB" : locale;
let plurals = new Intl.PluralRules(language);
/** What the server is known to say. @type {[RegExp, string][] | undefined} */
let patterns;

/** Go on in a language: for a service worker, whose scripts are English. @param {Language} other */
export function speak(other) {
  ({ language, words, classes, said: sentences } = other);
  patterns = undefined;
  locale = localeOf(language);
  dateLocale = language === "en" ? "en-GB" : locale;
  plurals = new Intl.PluralRules(language);
}

/** Know more of what the server says. @param {Record<string, string>} more */
export function learn(more) {
  sentences = { ...more, ...sentences };
  patterns = undefined;
}

/** @param {string} code */
function localeOf(code) {
  const region = globalThis.navigator?.language ?? "";
  return region.split("-")[0] === code ? region : code;
}

/**
 * A text: t`${count} of ${most}` has the key "{1} of {2}".
 *
 * @param {TemplateStringsArray} parts @param {unknown[]} values
 */
export function t(parts, ...values) {
  const key = parts.reduce((all, part, i) => `${all}{${i}}${part}`);
  return filled(words[key] ?? key, values);
}

/** @param {string} text @param {unknown[]} values */
function filled(text, values) {
  return text.replace(/\{(\d+)\}/g, (place, i) => String(values[i - 1] ?? place));
}

/**
 * The form of a word that fits a number. Its key is "one|many"; a language has as many forms as its numbers need.
 *
 * @param {number} n @param {string} one @param {string} many
 */
export function form(n, one, many) {
  const key = `${one}|${many}`;
  return formOf(words[key] ?? key, n);
}

/** @param {string} forms with | between them @param {number} n */
function formOf(forms, n) {
  const all = forms.split("|");
  const kinds = KINDS.filter((kind) => plurals.resolvedOptions().pluralCategories.includes(kind));
  return all[kinds.indexOf(/** @type {any} */ (plurals.select(n)))] ?? all.at(-1) ?? "";
}

/** What people call a class of a model; by its own name where nobody has translated it. @param {string} name @param {number} [n] */
export function className(name, n = 1) {
  return formOf(classes[name] ?? name, n);
}

/**
 * The class that somebody means who writes its own name or what people call it; what was written where nobody knows it.
 *
 * @param {string} text @param {Iterable<string>} known classes that there are
 */
export function classMeant(text, known) {
  const names = [...known, ...Object.keys(classes)];
  const alike = (/** @type {string} */ name) => name.toLowerCase() === text.toLowerCase();
  const called = (/** @type {string} */ name) => classes[name]?.split("|").some(alike);
  return names.find((name) => name === text) ?? names.find(alike) ?? names.find(called) ?? text;
}

/** A sentence of the server, which speaks English; as it came where the language's file does not know it. @param {string} sentence @returns {string} */
export function said(sentence) {
  patterns ??= Object.entries(sentences).map(([key, text]) => [pattern(key), text]);
  for (const [known, text] of patterns) {
    const found = known.exec(sentence);
    if (found) return filled(text, found.slice(1));
  }
  const between = ["; ", ": "].find((one) => sentence.includes(one));
  return between ? sentence.split(between).map(said).join(between) : sentence;
}

/** @param {string} key such as "no stream is called {1}" */
function pattern(key) {
  const parts = key.split(/\{\d+\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("([^]*?)")}$`);
}
