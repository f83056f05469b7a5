/** The form in which a rule is made or changed. It reads as the rule's sentence. */

import { icon, make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { askClasses, askPlaces, askRules, putRule } from "../../wire/rules.js";
import { CHANGED } from "../../wire/versions.js";
import { RuleFields } from "./fields.js";
import { Trial } from "./trial.js";
import { nameFor, newRule, problemWithName, sentence } from "./words.js";

/** @typedef {import("../../wire/rules.js").Rule} Rule */
/** @typedef {Pick<import("../../wire/rules.js").RuleReport, "rule" | "version">} Begun what the form was opened with */

export class RuleForm {
  #stream;
  #follow;
  #title = make("h2", { id: "rule-form-title" });
  #name = make("input", { id: "rule-name", maxlength: "64", autocomplete: "off", spellcheck: "false", "aria-describedby": "rule-name-why" });
  #nameWhy = make("p", { class: "problem", id: "rule-name-why", role: "alert" });
  #hint = make("p", { class: "hint" });
  #preview = make("p", { class: "preview", id: "rule-sentence" });
  #problem = make("p", { class: "problem", id: "rule-problem", role: "alert" });
  #save = make("button", { type: "submit", class: "button main", id: "rule-save" }, t`Save`);
  #fields = new RuleFields(() => this.#changed());
  #trial;
  #dialog;
  /** Names of the stream's rules. @type {string[]} */
  #taken = [];
  /** The rule that is changed; "" for a new one. */
  #of = "";
  /** @type {Begun} */
  #begun = { rule: newRule(), version: "" };
  /** Whether the person gave the name. */
  #named = false;
  /** How often it was opened: what is answered later is of another rule. */
  #opened = 0;

  /** @param {string} stream @param {<T extends {refused: object | null}>(save: () => Promise<T>) => Promise<T>} follow sends it in its turn, and gives the answer */
  constructor(stream, follow) {
    this.#stream = stream;
    this.#follow = follow;
    this.#trial = new Trial(stream, () => this.#fields.rule(true), (refused) => this.#refused(refused));
    this.#dialog = this.#built();
    this.#name.setAttribute("autocapitalize", "off");
    this.#name.addEventListener("input", () => {
      this.#named = true;
      setText(this.#nameWhy, "");
    });
  }

  /** @param {string} name "" for a new rule @param {Begun} begun @param {string[]} taken */
  open(name, begun, taken) {
    const { rule } = begun;
    this.#opened += 1;
    this.#of = name;
    this.#begun = begun;
    this.#taken = taken;
    this.#save.disabled = false;
    this.#named = false;
    setText(this.#title, name ? t`Rule ${name}` : t`New rule`);
    this.#name.parentElement?.toggleAttribute("hidden", name !== "");
    this.#fields.show(rule);
    for (const place of [this.#problem, this.#nameWhy]) setText(place, "");
    this.#trial.clear();
    this.#changed();
    this.#dialog.showModal();
    void this.#learn(rule);
  }

  openNew(/** @type {string[]} */ taken) {
    this.open("", { rule: newRule(), version: "" }, taken);
  }

  /** @param {Rule} rule */
  async #learn(rule) {
    const [{ body }, classes] = await Promise.all([askPlaces(this.#stream), askClasses(this.#stream)]);
    const [zones, lines] = [Object.keys(body?.zones ?? {}), Object.keys(body?.lines ?? {})];
    this.#fields.places(zones, lines);
    const none = body && !zones.length && !lines.length;
    setText(this.#hint, none ? t`This stream has no zones or lines yet. They are drawn under “Zones and lines”.` : "");
    this.#fields.suggestClasses(classes);
    if (rule.zone || rule.line) this.#fields.show(this.#fields.rule(this.#begun.rule.enabled));
    this.#changed();
  }

  #changed() {
    const rule = this.#fields.rule(this.#begun.rule.enabled);
    setText(this.#preview, sentence(rule));
    this.#trial.element.hidden = rule.when !== "object"; // of cameras nothing is known of before
    if (!this.#named && !this.#of) this.#name.value = nameFor(rule, this.#taken);
  }

  async #send() {
    const name = this.#of || this.#name.value.trim();
    const problem = this.#of ? "" : problemWithName(name, this.#taken);
    setText(this.#nameWhy, problem);
    if (problem) return this.#name.focus();
    this.#fields.problem("", "");
    setText(this.#problem, "");
    this.#save.disabled = true;
    const [opened, begun, rule] = [this.#opened, this.#begun, this.#fields.rule(this.#begun.rule.enabled)];
    const { refused } = await this.#follow(() => putRule(this.#stream, name, rule, begun.version));
    const there = refused?.status === CHANGED ? await askRules(this.#stream) : null;
    if (opened !== this.#opened) return;
    this.#save.disabled = false;
    if (there?.body) return this.#outdated(name, there.body.rules[name]);
    if (refused) return this.#refused(refused);
    this.#dialog.close();
  }

  /** Somebody else was faster. @param {string} name @param {Begun | undefined} there what is there now */
  #outdated(name, there) {
    if (!this.#of) {
      this.#taken = [...this.#taken, name];
      setText(this.#nameWhy, problemWithName(name, this.#taken));
      return this.#name.focus();
    }
    this.#begun = there ?? { rule: this.#begun.rule, version: "" };
    const again = t`Save again to have yours in its place, or cancel to leave it so.`;
    const gone = t`Somebody else has deleted this rule meanwhile. Save again to have it nevertheless.`;
    setText(this.#problem, there ? `${t`Somebody else has changed this rule meanwhile.`} ${sentence(there.rule)} ${again}` : gone);
  }

  /** @param {{key: string, message: string, expected: string, status: number}} refused */
  #refused({ key, message, expected, status }) {
    const text = status === 0 ? t`The server does not answer. Nothing was changed.` : `${message}.`;
    if (key && this.#fields.problem(key, expected ? t`Expected ${expected}.` : text)) return;
    setText(this.#problem, text.charAt(0).toUpperCase() + text.slice(1));
  }

  #built() {
    const close = make("button", { type: "button", class: "button quiet square", "aria-label": t`Close` }, icon("close"));
    const cancel = make("button", { type: "button", class: "button" }, t`Cancel`);
    const form = make(
      "form",
      { novalidate: "" },
      make("div", { class: "dialog-head" }, this.#title, close),
      this.#fields.element,
      this.#hint,
      this.#preview,
      make("div", { class: "rule-name" }, make("label", { for: "rule-name" }, t`Name of the rule`), this.#name, this.#nameWhy),
      this.#problem,
      this.#trial.element,
      make("div", { class: "actions" }, cancel, this.#save),
    );
    const dialog = make("dialog", { class: "rule-form", id: "rule-form", "aria-labelledby": "rule-form-title" }, form);
    for (const button of [close, cancel]) button.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#send();
    });
    document.body.append(dialog);
    return dialog;
  }
}
