/** Cameras of the server's network, found when a person asks for them, and the streams of the one that is chosen. */

import { make, setText } from "../../lib/dom.js";
import { plural } from "../../lib/format.js";
import { t } from "../../lib/i18n.js";
import { deviceStreams, findCameras } from "../../wire/cameras.js";
import { hold } from "../hold.js";
import { button } from "./dialog.js";

let made = 0;

/**
 * @param {ReturnType<typeof import("./address.js").addressPart>} part whose fields are filled in
 * @param {HTMLInputElement} name field for the camera's name
 * @param {() => HTMLFormElement} form that all is in
 */
export function findPart(part, name, form) {
  const list = make("ul", { class: "found", "aria-label": t`Cameras that were found` });
  const id = `camera-streams-${(made += 1)}`;
  const streams = make("select", { id });
  const choice = make("div", { hidden: "" }, make("label", { for: id }, t`Stream`), streams);
  const finder = button(t`Find cameras`, "", look);
  /** What the field for the name has if nobody wrote another one. */
  let proposed = "";
  const element = make("div", { class: "finding" }, finder, list, choice);

  async function look() {
    part.forget();
    list.replaceChildren();
    choice.hidden = true;
    hold(form(), true);
    setText(part.status, t`Asking all machines in the server's network…`);
    const { devices, problem } = await findCameras();
    hold(form(), false);
    part.problem.say(problem);
    const none = t`No camera answered. Some do only once ONVIF is switched on in their own settings.`;
    setText(part.status, problem ? "" : devices.length ? t`${plural(devices.length, "camera")} answered.` : none);
    list.append(...devices.map((device) => make("li", {}, row(device))));
    list.querySelector("button")?.focus();
  }

  /** @param {import("../../wire/cameras.js").Device} device */
  function row(device) {
    const what = [device.hardware, device.address.split("/")[2]].filter(Boolean).join(" · ");
    const one = button("", "found-one", () => void choose(device, one));
    one.append(make("span", {}, device.name), make("span", { class: "hint" }, what));
    return one;
  }

  /** @param {import("../../wire/cameras.js").Device} device @param {HTMLButtonElement} chosen */
  async function choose(device, chosen) {
    for (const one of list.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one === chosen));
    part.forget();
    choice.hidden = true;
    if (name.value === proposed) name.value = proposed = device.name;
    if (device.kind === "rtsp") {
      part.address.field.value = device.address;
      return;
    }
    part.address.field.value = "";
    hold(form(), true);
    setText(part.status, t`Asking the camera for its streams…`);
    const { profiles, problem } = await deviceStreams(device.address, part.user.value, part.password.value);
    hold(form(), false);
    setText(part.status, "");
    if (problem) {
      part.problem.say(t`${problem} Then press “${device.name}” again.`);
      part.user.focus();
      return;
    }
    streams.replaceChildren(...profiles.map((profile) => make("option", { value: profile.source }, told(profile))));
    choice.hidden = false;
    part.address.field.value = streams.value;
    setText(part.status, t`The smallest stream is chosen: models need no more, and it costs the least.`);
  }

  streams.addEventListener("change", () => {
    part.forget();
    part.address.field.value = streams.value;
  });
  return element;
}

/** @param {import("../../wire/cameras.js").Profile} profile */
function told({ name, width, height, encoding, fps }) {
  const size = width && height ? `${width} × ${height}` : "";
  return [name, size, encoding, fps ? t`${fps} fps` : ""].filter(Boolean).join(", ");
}
