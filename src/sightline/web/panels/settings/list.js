/** All settings: what each is, where it comes from, and whether a change needs a restart. */

import { make, setText } from "../../lib/dom.js";
import { plural } from "../../lib/format.js";
import { said, t } from "../../lib/i18n.js";
import { askSettings, why } from "../../wire/manage.js";
import { byId } from "../page.js";
import { originInWords, showChanges } from "./changes.js";

/** @typedef {import("../../wire/manage.js").Setting} Setting */

/** @type {Setting[]} */
let known = [];

const search = byId("settings-search", HTMLInputElement);
const all = byId("settings-all", HTMLInputElement);

export async function setUpSettings() {
  search.addEventListener("input", show);
  all.addEventListener("change", show);
  await showSettings();
}

export async function showSettings() {
  const { body, refused } = await askSettings();
  if (refused) return setText(byId("settings-where", HTMLElement), why(refused));
  take(body);
}

/** @param {import("../../wire/manage.js").SettingsReport} report */
function take(report) {
  known = report.settings;
  const file = report.file ? t`The settings file is ${report.file}.` : t`There is no settings file.`;
  const kept = report.kept_in ? t` What is changed here is kept in ${report.kept_in}.` : "";
  setText(byId("settings-where", HTMLElement), file + kept);
  showChanges(report, take);
  show();
}

function show() {
  const words = search.value.trim().toLowerCase();
  const found = known.filter((setting) => {
    if (words) return `${setting.name} ${setting.about} ${said(setting.about)}`.toLowerCase().includes(words);
    return all.checked || setting.origin !== "default";
  });
  byId("settings-list", HTMLElement).replaceChildren(...found.map(row));
  const what = words ? t`found` : all.checked ? t`in all` : t`not the default`;
  setText(byId("settings-count", HTMLElement), `${plural(found.length, "setting")} ${what}`);
}

/** @param {Setting} setting */
function row({ name, value, origin, about, live }) {
  const head = make("div", { class: "setting-head" }, make("code", { class: "name" }, name), make("code", {}, written(value)));
  const from = origin === "default" ? t`default` : t`from the ${originInWords(origin)}`;
  const when = live ? t`changes at once` : t`needs a restart`;
  const hint = make("p", { class: "hint" }, ...linked(said(about)));
  return make("li", { "data-setting": name, "data-origin": origin }, head, make("p", { class: "hint from" }, `${from} · ${when}`), hint);
}

/** Words with their code, in which documents are links. @param {string} text */
function linked(text) {
  return text.split(/(`[^`]+`|docs\/[\w-]+\.md)/).map((part) => {
    const name = /^docs\/([\w-]+)\.md$/.exec(part)?.[1];
    if (name) return make("a", { href: `/help/${name}` }, name);
    return part.startsWith("`") ? make("code", {}, part.slice(1, -1)) : part;
  });
}

/** A value as the settings file has it. @param {unknown} value */
export function written(value) {
  if (value === null || (Array.isArray(value) && !value.length)) return t`none`;
  if (typeof value === "string") return value;
  if (typeof value === "object" && value && !Object.keys(value).length) return t`none`;
  return JSON.stringify(value);
}
