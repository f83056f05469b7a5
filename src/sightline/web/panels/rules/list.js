/** A stream's rules: each with its sentence, a switch, what it did, and ways to change it. */

import { icon, make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { askRules, deleteRule, putRule } from "../../wire/rules.js";
import { may, whoAmI } from "../../wire/session.js";
import { CHANGED } from "../../wire/versions.js";
import { ago } from "../events/words.js";
import { RuleForm } from "./form.js";
import { firedInWords, sentence, troubleInWords } from "./words.js";

/** @typedef {import("../../wire/rules.js").RuleReport} RuleReport */

const EVERY_MS = 5_000;

export class RuleList {
  #stream;
  #list = make("ul", { class: "rules" });
  #words = make("p", { class: "hint", role: "status" });
  /** Why they can't be shown. */
  #missing = make("p", { class: "problem", role: "alert" });
  /** What became of the last change, until the next. */
  #problem = make("p", { class: "problem", role: "alert" });
  #undo = make("div", { class: "undo", role: "status" });
  #new = make("button", { type: "button", class: "button", id: "rule-new", hidden: "" }, t`New rule`);
  #form;
  /** @type {Record<string, RuleReport>} */
  #rules = {};
  #mayChange = false;
  #shown = "";
  /** Changes that were sent, and those of them that have no answer yet. */
  #changes = { sent: 0, waiting: 0 };
  /** The last of them. @type {Promise<unknown>} */
  #last = Promise.resolve();

  /** @param {string} stream @param {HTMLElement} place */
  constructor(stream, place) {
    this.#stream = stream;
    this.#form = new RuleForm(stream, async (save) => {
      const answer = await this.#change(save);
      if (!answer.refused) void this.look();
      return answer;
    });
    this.#new.addEventListener("click", () => this.#form.openNew(Object.keys(this.#rules)));
    const events = make("a", { href: `/events?stream=${stream}&kind=rule` }, t`Events of these rules`);
    place.replaceChildren(this.#words, this.#missing, this.#list, this.#undo, this.#problem, this.#new, make("p", { class: "hint" }, events));
  }

  /** Look at the rules from now on, while somebody can see them. @param {() => boolean} seen @param {AbortSignal} signal ends it */
  async follow(seen, signal) {
    this.#mayChange = may(await whoAmI(), "publish", this.#stream);
    this.#new.hidden = !this.#mayChange;
    while (!signal.aborted) {
      if (seen() && !document.hidden) await this.look();
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }

  async look() {
    if (this.#changes.waiting) return; // who changes something looks afterwards
    const { sent } = this.#changes;
    const { body, refused } = await askRules(this.#stream);
    if (sent !== this.#changes.sent) return; // it may be from before the change
    setText(this.#missing, refused ? failure(refused, t`The rules can't be shown`) : "");
    if (refused) return;
    this.#rules = body.rules;
    this.#show();
  }

  #show() {
    const names = Object.keys(this.#rules);
    const none = this.#mayChange
      ? t`No rule yet. A rule tells you when something happens, such as: When a person is in drive for 2 s: notify.`
      : t`This stream has no rules.`;
    setText(this.#words, names.length ? "" : none);
    const now = Date.now() / 1000;
    const shown = JSON.stringify([this.#mayChange, Object.entries(this.#rules).map(([name, one]) => [name, one, said(one, now)])]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.id : "";
    this.#list.replaceChildren(...names.map((name) => this.#row(name, /** @type {RuleReport} */ (this.#rules[name]), now)));
    if (focused.startsWith("rule-of-")) document.getElementById(focused)?.focus();
  }

  /** @param {string} name @param {RuleReport} report @param {number} now */
  #row(name, report, now) {
    const on = make("input", { type: "checkbox", role: "switch", id: `rule-of-${name}-on` });
    on.checked = report.rule.enabled;
    on.disabled = !this.#mayChange;
    on.addEventListener("change", () => void this.#switch(name, on.checked));
    const head = make("label", { class: "check" }, on, make("span", {}, name));
    const edit = make("button", { type: "button", class: "button", id: `rule-of-${name}-edit`, "aria-label": t`Change ${name}` }, t`Change`);
    edit.addEventListener("click", () => this.#form.open(name, this.#rules[name] ?? report, Object.keys(this.#rules)));
    const remove = make("button", { type: "button", class: "button", id: `rule-of-${name}-delete`, "aria-label": t`Delete ${name}` }, icon("bin"), t`Delete`);
    remove.addEventListener("click", () => void this.#remove(name));
    return make(
      "li",
      { class: "rule", "data-rule": name },
      head,
      make("p", {}, sentence(report.rule)),
      make("p", { class: "hint" }, said(report, now)),
      ...report.troubles.map((text) => make("p", { class: "problem" }, troubleInWords(text))),
      ...(this.#mayChange ? [make("div", { class: "row" }, edit, remove)] : []),
    );
  }

  /** @param {string} name @param {boolean} enabled */
  async #switch(name, enabled) {
    const report = this.#rules[name];
    if (!report) return;
    const switched = { ...report, rule: { ...report.rule, enabled } };
    this.#rules = { ...this.#rules, [name]: switched }; // whoever changes it meanwhile begins with this
    const { refused } = await this.#change(async () => {
      const answer = await putRule(this.#stream, name, switched.rule, report.version);
      if (answer.body) switched.version = answer.body.version;
      return answer;
    });
    if (!refused) return this.look();
    if (refused.status === CHANGED) return this.#outdated();
    this.#rules = { ...this.#rules, [name]: report };
    this.#shown = ""; // the switch goes back
    this.#show();
    setText(this.#problem, failure(refused, t`It was not changed`));
  }

  /** Send a change once those before it are answered. @template T @param {() => Promise<T>} send */
  async #change(send) {
    this.#changes.sent += 1;
    this.#changes.waiting += 1;
    setText(this.#problem, "");
    const answering = this.#last.then(send);
    this.#last = answering;
    const answer = await answering;
    this.#changes.waiting -= 1;
    return answer;
  }

  /** @param {string} name */
  async #remove(name) {
    const report = this.#rules[name];
    if (!report) return;
    const { refused } = await this.#change(() => deleteRule(this.#stream, name, report.version));
    if (refused?.status === CHANGED) return this.#outdated();
    if (refused && refused.status !== 404) return setText(this.#problem, failure(refused, t`It was not deleted`));
    await this.look();
    const undo = make("button", { type: "button", class: "button", id: "rule-undo" }, t`Undo`);
    undo.addEventListener("click", () => void this.#restore(name, report));
    this.#undo.replaceChildren(make("span", {}, t`Rule ${name} was deleted.`), undo);
    undo.focus();
  }

  /** @param {string} name @param {RuleReport} report */
  async #restore(name, report) {
    const { refused } = await this.#change(() => putRule(this.#stream, name, report.rule, ""));
    if (refused?.status === CHANGED) return this.#outdated();
    if (refused) return setText(this.#problem, failure(refused, t`It could not be restored`));
    this.#undo.replaceChildren();
    await this.look();
    document.getElementById(`rule-of-${name}-edit`)?.focus();
  }

  /** Somebody else was faster: show what is there now. */
  async #outdated() {
    this.#shown = "";
    await this.look();
    setText(this.#problem, t`Somebody else has changed this rule meanwhile. It is shown as it is now.`);
  }
}

/** @param {import("../../wire/events.js").Refused} refused @param {string} what */
function failure({ status, message }, what) {
  return status ? `${what}: ${message}.` : t`${what}: the server does not answer.`;
}

/** What a rule did. @param {RuleReport} report @param {number} now */
function said({ fired, last }, now) {
  return firedInWords(fired, last === null ? "" : ago(last, now));
}
