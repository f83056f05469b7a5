/** Fields for the settings that the server changes while it runs. */

import { make, setText } from "../../lib/dom.js";
import { said as inLanguage, t } from "../../lib/i18n.js";
import { askSettings, changeSetting, why } from "../../wire/manage.js";
import { CHANGED } from "../../wire/versions.js";
import { hold } from "../hold.js";
import { byId } from "../page.js";
import { Rows } from "../rows.js";

/** @typedef {import("../../wire/manage.js").Setting} Setting */
/** @typedef {{label: string, hint: string, field: (setting: Setting) => HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement,
 *   read: (text: string) => unknown}} Shape */

const LEVELS = ["debug", "info", "warning", "error"];

/** @param {Setting} setting */
const lines = ({ value }) => {
  const field = make("textarea", { rows: "2", spellcheck: "false", autocapitalize: "off" });
  field.value = Array.isArray(value) ? value.join("\n") : "";
  return field;
};

/** @param {Setting} setting */
const number = ({ value }) => {
  const field = make("input", { type: "number", step: "any", min: "0", inputmode: "decimal" });
  field.value = String(value);
  return field;
};

/** @param {Setting} setting */
const level = ({ value }) => {
  const field = make("select", {}, ...LEVELS.map((one) => make("option", { value: one }, one)));
  field.value = String(value);
  return field;
};

/** @param {string} text */
const words = (text) => text.split(/[\s,]+/).filter(Boolean);

/** @type {Record<string, Shape>} */
const SHAPES = {
  allowed_origins: {
    label: t`Pages that may show streams`,
    hint: t`One origin a line, such as https://home.example. What they show already goes on until it is loaded again.`,
    field: lines,
    read: words,
  },
  allowed_hosts: { label: t`Names of this server`, hint: t`One host name a line, such as camera.lan.`, field: lines, read: words },
  log_level: { label: t`How much is logged`, hint: t`debug tells most. Models that run already keep theirs.`, field: level, read: String },
  events_days: { label: t`Days for which events are kept`, hint: t`Older ones go within a minute.`, field: number, read: Number },
  events_gb: { label: t`Most that events take, in GB`, hint: t`The oldest go first.`, field: number, read: Number },
};

/** Called with what holds after a change. @type {(report: import("../../wire/manage.js").SettingsReport) => void} */
let take = () => {};
/** @type {Rows<Setting>} */
const rows = new Rows(byId("changes", HTMLElement), ({ name }) => name, (setting) => row(setting, /** @type {Shape} */ (SHAPES[setting.name])));
/** One change is sent after the other: each is answered with all settings. @type {Promise<unknown>} */
let sending = Promise.resolve();

/**
 * @param {import("../../wire/manage.js").SettingsReport} report
 * @param {(report: import("../../wire/manage.js").SettingsReport) => void} changed is called with what holds after a change
 */
export function showChanges(report, changed) {
  take = changed;
  rows.show(report.settings.filter(({ name }) => name in SHAPES));
}

/** Where a setting's value comes from. @param {string} origin */
export function originInWords(origin) {
  return { file: t`file`, environment: t`environment`, "command line": t`command line`, page: t`page` }[origin] ?? origin;
}

/** @param {Setting} setting @param {Shape} shape */
function row(setting, { label, hint, field: made, read }) {
  const field = made(setting);
  const id = `change-${setting.name}`;
  field.id = id;
  field.setAttribute("aria-describedby", `${id}-hint`);
  field.disabled = !setting.changeable;
  const locked = t`The ${originInWords(setting.origin)} says this, so it is changed there, and the server started again.`;
  const about = make("p", { class: "hint", id: `${id}-hint` }, setting.changeable ? hint : locked);
  const problem = make("p", { class: "problem", role: "status" });
  const actions = make("div", { class: "actions" });
  const form = make("form", { class: "change", novalidate: "" }, make("label", { for: id }, label), field, actions, about, problem);
  if (!setting.changeable) return form;
  const save = make("button", { type: "submit", class: "button" }, t`Save`, make("span", { class: "unseen" }, ` ${label}`));
  const usual = make("button", { type: "button", class: "button quiet" }, t`Use the default`, make("span", { class: "unseen" }, t` of ${label}`));
  usual.hidden = setting.origin !== "page";
  actions.append(usual, save);
  let { version } = setting;

  /** @param {unknown} value */
  async function send(value) {
    const text = field.value;
    hold(form, true);
    const answering = sending.then(() => changeSetting({ name: setting.name, version }, value));
    sending = answering;
    const { body, refused } = await answering;
    const there = refused?.status === CHANGED ? (await askSettings()).body : null;
    hold(form, false);
    delete problem.dataset["kind"];
    if (there) return outdated(there);
    if (refused) return setText(problem, refused.expected ? t`Expected ${inLanguage(refused.expected)}.` : why(refused));
    const here = document.activeElement === document.body || form.contains(document.activeElement);
    const written = field.value;
    take(body);
    const place = /** @type {typeof field} */ (document.getElementById(id));
    if (written !== text) place.value = written; // the person went on writing
    if (here) place.focus();
    const said = place.closest("form")?.querySelector(".problem");
    if (said instanceof HTMLElement) {
      said.dataset["kind"] = "good";
      setText(said, t`Saved, and in force.`);
    }
  }

  /** Somebody else was faster. @param {import("../../wire/manage.js").SettingsReport} there */
  function outdated({ settings }) {
    const now = settings.find(({ name }) => name === setting.name);
    version = now?.version ?? version;
    const value = (Array.isArray(now?.value) ? now.value.join(", ") : String(now?.value ?? "")) || t`empty`;
    setText(problem, t`Somebody else has changed this meanwhile. It is now: ${value}. Save again to have yours in its place.`);
  }

  usual.addEventListener("click", () => void send(null));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(read(field.value));
  });
  return form;
}
