/** Dialog that adds a camera by its address, and shows its picture or why none comes before that. */

import { make } from "../../lib/dom.js";
import { addCamera, sourceOf, tryAddress } from "../../wire/cameras.js";
import { button, hold, labelled, openDialog, problemPlace } from "./dialog.js";

/** @param {() => void} done called once a camera was added */
export function addDialog(done) {
  const address = labelled("Address", { inputmode: "url", placeholder: "rtsp://192.168.1.20/stream1", maxlength: "1000" });
  const user = labelled("User", { maxlength: "100" });
  const password = labelled("Password", { type: "password", autocomplete: "new-password", maxlength: "200" });
  const name = labelled("Name", { placeholder: "Front door", maxlength: "100", autocapitalize: "sentences" });
  const problem = problemPlace();
  const picture = make("img", { class: "trial", alt: "The camera's picture", hidden: "" });
  const status = make("p", { class: "hint", role: "status" });
  const where = "The camera's manual has the address. Rtsp, http and https are understood.";
  const parts = [
    address.row,
    make("p", { class: "hint" }, where),
    make("div", { class: "two" }, user.row, password.row),
    name.row,
    picture,
    status,
    problem.element,
    make("div", { class: "actions" }, button("Cancel", "", () => close()), button("Test", "", test), button("Add", "main")),
  ];
  const { dialog, form, close } = openDialog("Add a camera", ...parts);
  const forget = () => {
    URL.revokeObjectURL(picture.src);
    picture.hidden = true;
    status.textContent = "";
    problem.say("");
  };
  const source = () => sourceOf(address.field.value.trim(), user.field.value, password.field.value);
  const addressed = () => {
    if (address.field.value.trim()) return true;
    problem.say("Give the camera's address.");
    address.field.focus();
    return false;
  };

  async function test() {
    forget();
    if (!addressed()) return;
    hold(form, true);
    status.textContent = "Looking for a picture…";
    const trial = await tryAddress(source());
    hold(form, false);
    status.textContent = trial.picture ? "A picture comes." : "";
    problem.say(trial.problem);
    if (!trial.picture) return;
    picture.src = URL.createObjectURL(trial.picture);
    picture.hidden = false;
  }

  form.addEventListener("input", (event) => {
    if (event.target !== name.field) forget();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!addressed()) return;
    hold(form, true);
    const wrong = await addCamera({ name: name.field.value.trim(), source: source() });
    hold(form, false);
    problem.say(wrong);
    if (wrong) return;
    close();
    done();
  });
  dialog.addEventListener("close", forget);
}
