/** The operator's outputs: how each is doing, and a test for it. */

import { icon, make, setText } from "../../lib/dom.js";
import { count } from "../../lib/format.js";
import { askOutputs, testOutput, why } from "../../wire/manage.js";
import { byId } from "../page.js";

/** Show them as they are now. */
export async function showOutputs() {
  const { body, refused } = await askOutputs();
  const about = byId("outputs-about", HTMLElement);
  if (refused) return setText(about, why(refused));
  setText(about, body.outputs.length ? "" : "The settings name none.");
  const list = byId("outputs-list", HTMLElement);
  if (list.childElementCount !== body.outputs.length) list.replaceChildren(...body.outputs.map(row));
  for (const output of body.outputs) show(output);
}

/** @param {import("../../wire/manage.js").Output} output */
function row({ id, name, what }) {
  const said = make("p", { class: "hint", role: "status" });
  const deeds = make("div", { class: "deeds" });
  if (what.length) {
    const button = make("button", { type: "button", class: "button" }, "Send a test", make("span", { class: "unseen" }, ` to ${name}`));
    button.addEventListener("click", () => void test(id, button, said));
    deeds.append(button);
  }
  const figures = make("p", { class: "hint figures" });
  return make("li", { "data-output": id }, make("p", {}, name), make("div", {}, figures, said), deeds);
}

/** @param {import("../../wire/manage.js").Output} output */
function show({ id, what, stream, sent, lost, waiting, failing }) {
  const place = document.querySelector(`[data-output="${id}"] .figures`);
  const whose = stream === "*" ? "all streams" : stream;
  const gets = what.length ? `${what.join(", ")} of ${whose} · ${count(sent)} sent, ${count(waiting)} waiting, ${count(lost)} lost` : whose;
  if (!place) return;
  setText(place, failing ? `${gets} · ${failing}` : gets);
  if (failing && !place.querySelector("svg")) place.prepend(icon("warning"));
}

/** @param {string} id @param {HTMLButtonElement} button @param {HTMLElement} said */
async function test(id, button, said) {
  button.disabled = true;
  setText(said, "Sending …");
  const { body, refused } = await testOutput(id);
  button.disabled = false;
  if (refused) setText(said, why(refused));
  else setText(said, body.sent ? "It went out." : `It did not go out: ${body.reason}.`);
}
