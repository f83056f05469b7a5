/** Outputs: how each is doing, a test for it, and those that are added, changed and removed here. */

import { icon, make, setText } from "../../lib/dom.js";
import { count } from "../../lib/format.js";
import { t } from "../../lib/i18n.js";
import { Newest } from "../../lib/newest.js";
import { askOutputs, removeOutput, testOutput, why } from "../../wire/manage.js";
import { CHANGED } from "../../wire/versions.js";
import { byId } from "../page.js";
import { Rows } from "../rows.js";

/** @typedef {import("../../wire/manage.js").Output} Output */

const list = byId("outputs-list", HTMLElement);
const about = byId("outputs-about", HTMLElement);
const place = byId("output-place", HTMLElement);
/** @type {string[]} */
let kinds = [];
/** The output in the form; "" for a new one, or none. */
let edited = "";
const rows = new Rows(list, ({ id }) => id, row);
const newest = new Newest();

export function setUpOutputs() {
  byId("output-new", HTMLButtonElement).addEventListener("click", () => void openForm(null));
}

/** Show them as they are now. */
export async function showOutputs() {
  const asked = newest.ask();
  const { body, refused } = await askOutputs();
  if (!newest.takes(asked)) return;
  if (refused) return setText(about, why(refused));
  kinds = body.kinds;
  setText(about, body.outputs.length ? "" : t`There is none yet.`);
  rows.show(body.outputs, ({ name, what, settings, version }) => [name, what, settings, version]);
  for (const output of body.outputs) show(output);
}

/** A form for an output, in place of any other. It is fetched with its first use. @param {Output | null} output null: a new one */
async function openForm(output) {
  const { outputForm } = await import("./output-form.js");
  edited = output?.id ?? "";
  outputForm(place, kinds, output, async (id) => {
    await changed();
    focus(id);
  });
}

function changed() {
  newest.changed();
  return showOutputs();
}

/** @param {string} id */
function focus(id) {
  const button = list.querySelector(`[data-output="${id}"] button`);
  (button instanceof HTMLElement ? button : byId("outputs-title", HTMLElement)).focus();
}

/** @param {Output} output */
function row(output) {
  const { id, name, what, fixed } = output;
  const said = make("p", { class: "hint", role: "status" });
  const deeds = make("div", { class: "deeds" });
  /** @param {string} text @param {string} whose for those who don't see the row @param {(button: HTMLButtonElement) => void} run */
  const add = (text, whose, run) => {
    const button = make("button", { type: "button", class: "button" }, text, make("span", { class: "unseen" }, ` ${whose}`));
    button.addEventListener("click", () => run(button));
    deeds.append(button);
  };
  if (what.length) add(t`Send a test`, t`to ${name}`, (button) => void test(id, button, said));
  if (!fixed) {
    add(t`Change`, name, () => void openForm(output));
    add(t`Remove`, name, () => confirm(deeds, output, said));
  }
  const figures = make("p", { class: "hint figures" });
  const from = fixed ? [make("p", { class: "hint" }, t`From the settings file, which alone can change it.`)] : [];
  return make("li", { "data-output": id }, make("p", {}, name), make("div", {}, figures, ...from, said), deeds);
}

/** @param {Output} output */
function show({ id, what, stream, sent, lost, waiting, failing }) {
  const place = list.querySelector(`[data-output="${id}"] .figures`);
  const whose = stream === "*" ? t`all streams` : stream;
  const gets = what.length ? t`${what.join(", ")} of ${whose} · ${count(sent)} sent, ${count(waiting)} waiting, ${count(lost)} lost` : whose;
  if (!place) return;
  setText(place, failing ? `${gets} · ${failing}` : gets);
  if (failing && !place.querySelector("svg")) place.prepend(icon("warning"));
}

/** @param {HTMLElement} deeds @param {Output} output @param {HTMLElement} said */
function confirm(deeds, output, said) {
  const { id } = output;
  const last = make("button", { type: "button", class: "button danger" }, t`Remove it now`);
  last.addEventListener("click", async () => {
    last.disabled = true;
    const { refused } = await removeOutput(output);
    last.disabled = false;
    if (refused?.status === CHANGED) {
      await changed();
      const place = list.querySelector(`[data-output="${id}"] [role=status]`);
      if (place) setText(place, t`Somebody else has changed this output meanwhile. It is shown as it is now.`);
      return focus(id);
    }
    if (refused && refused.status !== 404) return setText(said, why(refused));
    if (edited === id) place.replaceChildren();
    await changed();
    byId("outputs-title", HTMLElement).focus();
  });
  deeds.replaceChildren(last);
  last.focus();
}

/** @param {string} id @param {HTMLButtonElement} button @param {HTMLElement} said */
async function test(id, button, said) {
  button.disabled = true;
  setText(said, t`Sending …`);
  const { body, refused } = await testOutput(id);
  button.disabled = false;
  if (refused) setText(said, why(refused));
  else setText(said, body.sent ? t`It went out.` : t`It did not go out: ${body.reason}.`);
}
