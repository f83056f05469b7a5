/** Fields of a camera's address and its login, and a look at its picture, or at why none comes. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { sourceOf, tryAddress } from "../../wire/cameras.js";
import { hold } from "../hold.js";
import { button, labelled, problemPlace } from "./dialog.js";

/** @param {() => HTMLFormElement} form that they are in */
export function addressPart(form) {
  const address = labelled(t`Address`, { inputmode: "url", placeholder: "rtsp://192.168.1.20/stream1", maxlength: "1000" });
  const user = labelled(t`User`, { maxlength: "100" });
  const password = labelled(t`Password`, { type: "password", autocomplete: "new-password", maxlength: "200" });
  const problem = problemPlace();
  const picture = make("img", { class: "trial", alt: t`The camera's picture`, hidden: "" });
  const status = make("p", { class: "hint", role: "status" });

  function forget() {
    URL.revokeObjectURL(picture.src);
    picture.hidden = true;
    status.textContent = "";
    problem.say("");
  }

  const source = () => sourceOf(address.field.value.trim(), user.field.value, password.field.value);

  /** Whether there is an address. Says so if not. */
  function filled() {
    if (address.field.value.trim()) return true;
    problem.say(t`Give the camera's address.`);
    address.field.focus();
    return false;
  }

  async function test() {
    forget();
    if (!filled()) return;
    hold(form(), true);
    status.textContent = t`Looking for a picture…`;
    const trial = await tryAddress(source());
    hold(form(), false);
    status.textContent = trial.picture ? t`A picture comes.` : "";
    problem.say(trial.problem);
    if (!trial.picture) return;
    picture.src = URL.createObjectURL(trial.picture);
    picture.hidden = false;
  }

  for (const { field } of [address, user, password]) field.addEventListener("input", forget);
  return {
    address,
    login: make("div", { class: "two" }, user.row, password.row),
    user: user.field,
    password: password.field,
    status,
    shown: [picture, status, problem.element],
    tester: button(t`Test`, "", test),
    problem,
    source,
    filled,
    forget,
  };
}
