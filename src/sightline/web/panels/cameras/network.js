/** Dialog that adds a network camera, by its address or as one that was found. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { addCamera } from "../../wire/cameras.js";
import { hold } from "../hold.js";
import { addressPart } from "./address.js";
import { button, labelled, openDialog } from "./dialog.js";
import { findPart } from "./find.js";

/** @param {() => void} back to the other ways @param {() => void} done called once a camera was added */
export function networkDialog(back, done) {
  const part = addressPart(() => form);
  const name = labelled(t`Name`, { placeholder: t`Front door`, maxlength: "100", autocapitalize: "sentences" });
  const find = findPart(part, name.field, () => form);
  const { dialog, form, close } = openDialog(
    t`Add a network camera`,
    find,
    part.address.row,
    make("p", { class: "hint" }, t`The camera's manual or app has the address. Rtsp, http and https are understood.`),
    part.login,
    name.row,
    ...part.shown,
    make("div", { class: "actions" }, button(t`Back`, "", goBack), part.tester, button(t`Add`, "main")),
  );
  function goBack() {
    close();
    back();
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!part.filled()) return;
    hold(form, true);
    const wrong = await addCamera({ name: name.field.value.trim(), source: part.source() });
    hold(form, false);
    part.problem.say(wrong);
    if (wrong) return;
    close();
    done();
  });
  dialog.addEventListener("close", part.forget);
  part.address.field.focus();
}
