/** Dialogs of one camera: its name, pause and resume, its address, and its end. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { changeCamera, removeCamera } from "../../wire/cameras.js";
import { hold } from "../hold.js";
import { addressPart } from "./address.js";
import { button, labelled, openDialog, problemPlace } from "./dialog.js";

/**
 * @param {import("../../wire/stream-stats.js").StreamStats} stats
 * @param {() => void} done called once something was changed
 */
export function manageDialog(stats, done) {
  const name = labelled(t`Name`, { maxlength: "100", autocapitalize: "sentences", placeholder: stats.name });
  name.field.value = stats.display_name === stats.name ? "" : stats.display_name;
  const group = labelled(t`Group`, { maxlength: "100", autocapitalize: "sentences", placeholder: t`None` });
  group.field.value = stats.group;
  /** @returns {Record<string, string | null>} */
  const written = () => ({ name: name.field.value.trim() || null, group: group.field.value.trim() || null });
  const before = written();
  const problem = problemPlace();
  const paused = stats.pulled && stats.state === "paused";
  const deeds = make("div", { class: "deeds" });
  if (stats.pulled) {
    deeds.append(button(paused ? t`Resume` : t`Pause`, "", () => void act(changeCamera(stats.name, { paused: !paused }))));
  }
  if (stats.pulled && !stats.fixed) deeds.append(button(t`Change its address…`, "", changeAddress));
  if (stats.fixed) {
    deeds.append(make("p", { class: "hint" }, t`The server's settings name this camera, so it is removed there.`));
  } else deeds.append(button(t`Remove…`, "danger", confirm));
  const parts = [
    name.row,
    group.row,
    make("p", { class: "hint" }, t`Links and rules go by “${stats.name}”, which stays.`),
    problem.element,
    deeds,
    make("div", { class: "actions" }, button(t`Close`, "", () => close()), button(t`Save`, "main")),
  ];
  const { form, close } = openDialog(stats.display_name, ...parts);

  /** @param {Promise<string>} wrong */
  async function act(wrong) {
    hold(form, true);
    const why = await wrong;
    hold(form, false);
    problem.say(why);
    if (why) return;
    close();
    done();
  }

  function changeAddress() {
    close();
    addressDialog(stats, done);
  }

  function confirm() {
    const last = button(t`Remove it`, "danger", () => void act(removeCamera(stats.name)));
    const words = t`This ends the stream and deletes its address, zones, lines and rules with their counts. Its events, pictures and recordings stay until they are too old. It can't be undone.`;
    deeds.replaceChildren(make("p", { role: "alert" }, words.replace(/\s+/g, " ")), last);
    last.focus();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const changed = Object.entries(written()).filter(([key, text]) => text !== before[key]);
    if (changed.length) void act(changeCamera(stats.name, Object.fromEntries(changed)));
    else close();
  });
}

/** @param {import("../../wire/stream-stats.js").StreamStats} stats @param {() => void} done */
function addressDialog(stats, done) {
  const part = addressPart(() => form);
  const { dialog, form, close } = openDialog(
    t`Address of ${stats.display_name}`,
    part.address.row,
    make("p", { class: "hint" }, t`The address that it has now is not shown, as it may have a password. Give the whole new one.`),
    part.login,
    ...part.shown,
    make("div", { class: "actions" }, button(t`Cancel`, "", () => close()), part.tester, button(t`Change`, "main")),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!part.filled()) return;
    hold(form, true);
    const wrong = await changeCamera(stats.name, { source: part.source() });
    hold(form, false);
    part.problem.say(wrong);
    if (wrong) return;
    close();
    done();
  });
  dialog.addEventListener("close", part.forget);
}
