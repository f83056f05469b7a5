/** Dialog with the ways to add a camera: each says what it needs. */

import { icon, make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { freeName } from "../../lib/stream-name.js";
import { addCamera } from "../../wire/cameras.js";
import { hold } from "../hold.js";
import { button, labelled, openDialog, problemPlace } from "./dialog.js";
import { networkDialog } from "./network.js";

const STREET = { name: t`Street`, source: "synthetic:street" };

/**
 * @typedef {object} Page
 * @property {() => {name: string}[]} known streams
 * @property {() => void} name asks for a name, and starts this computer's camera
 * @property {(() => void) | null} invite shows a code for a phone; null where this server has none
 * @property {(lan: import("../../wire/manage.js").Lan) => void} letIn called once LAN mode is open
 * @property {() => void} done called once a camera was added
 */

/** @param {Page} page */
export function addDialog(page) {
  const back = () => addDialog(page);
  /** @param {() => void} open */
  const go = (open) => () => {
    close();
    open();
  };
  const here = () => location.assign(`/camera/${freeName(page.known().map((one) => one.name))}#start`);
  const { close } = openDialog(
    t`Add a camera`,
    make(
      "div",
      { class: "ways" },
      way("camera", t`This computer`, t`Its camera, by this browser, which asks you first.`, here),
      way("phone", t`A phone`, t`Needs nothing but its browser, on the same network.`, go(page.invite ?? (() => phoneDialog(back, page.letIn)))),
      way("link", t`A network camera`, t`Its address, or let the server look for it.`, go(() => networkDialog(back, page.done))),
      way("save", t`A file, or a drawn street`, t`To try things without a camera.`, go(() => fileDialog(back, page.done))),
    ),
    make(
      "div",
      { class: "actions" },
      button(t`Name the stream first…`, "", go(page.name)),
      button(t`Cancel`, "", () => close()),
    ),
  );
}

/** @param {string} symbol @param {string} title @param {string} needs @param {() => void} run */
function way(symbol, title, needs, run) {
  const one = button("", "way", run);
  one.append(icon(symbol), make("span", { class: "way-title" }, title), make("span", { class: "hint" }, needs));
  return one;
}

/** @param {() => void} back @param {Page["letIn"]} letIn */
async function phoneDialog(back, letIn) {
  (await import("../lan.js")).lanDialog(back, letIn);
}

/** Add the drawn street at once. @param {() => void} done */
export async function addStreet(done) {
  const wrong = await addCamera(STREET);
  if (wrong) fileDialog(() => {}, done).say(wrong);
  else done();
}

/** @param {() => void} back @param {() => void} done */
function fileDialog(back, done) {
  const file = labelled(t`File`, { placeholder: "yard/monday.mp4", maxlength: "1000" });
  const problem = problemPlace();
  const { form, close } = openDialog(
    t`Add a file or a drawn street`,
    button(t`Add the drawn street`, "", () => void add(STREET)),
    make("p", { class: "hint" }, t`People, a bus and a car, drawn by the server: the model finds the people. It goes on for ever.`),
    file.row,
    make("p", { class: "hint" }, t`A video below the folder that the server's setting media_folder names. It begins anew at its end.`),
    problem.element,
    make("div", { class: "actions" }, button(t`Back`, "", goBack), button(t`Add the file`, "main")),
  );
  function goBack() {
    close();
    back();
  }

  /** @param {{name: string, source: string}} camera */
  async function add(camera) {
    hold(form, true);
    const wrong = await addCamera(camera);
    hold(form, false);
    problem.say(wrong);
    if (wrong) return;
    close();
    done();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const path = file.field.value.trim();
    if (path) void add({ name: nameOf(path), source: path.endsWith("#loop") ? path : `${path}#loop` });
    else {
      problem.say(t`Name the file.`);
      file.field.focus();
    }
  });
  return problem;
}

/** What people call a file's stream. @param {string} path */
export function nameOf(path) {
  return (path.split(/[\\/]/).pop() ?? "").replace(/(\.\w+)?(#loop)?$/, "").slice(0, 100);
}
