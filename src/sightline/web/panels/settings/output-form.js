/** A form for an output that is added or changed: a webhook, Home Assistant, or a broker. */

import { make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { addOutput, askOutputs, changeOutput, why } from "../../wire/manage.js";
import { CHANGED } from "../../wire/versions.js";

/** @typedef {import("../../wire/manage.js").Output} Output */
/** @typedef {{row: HTMLElement, read: (keys: Record<string, unknown>) => void}} Part fills in the keys that it is for */

const UNCHANGED = t`as it is`;
const HIDDEN = "(hidden)";
/** Ways, each with the kind that the server knows. */
const WAYS = { webhook: t`A web address (webhook)`, home: t`Home Assistant, by MQTT`, mqtt: t`An MQTT broker` };
const WHAT = { alerts: t`alerts of rules`, events: t`all events`, results: t`every result` };
const PICTURES = { url: t`as an address`, multipart: t`as a file`, none: t`not at all` };

/** @typedef {keyof typeof WAYS} Way */

/**
 * @param {HTMLElement} place @param {string[]} kinds that the server takes @param {Output | null} output null: a new one
 * @param {(id: string) => void} done called with the id of what was saved
 */
export function outputForm(place, kinds, output, done) {
  const set = output?.settings ?? {};
  const ways = /** @type {Way[]} */ (Object.keys(WAYS)).filter((way) => kinds.includes(kindOf(way)));
  const problem = make("p", { class: "problem", role: "alert" });
  const fields = make("div", { class: "fields" });
  const save = make("button", { type: "submit", class: "button main" }, output ? t`Save` : t`Add it`);
  const cancel = make("button", { type: "button", class: "button" }, t`Cancel`);
  const title = make("h3", { id: "output-form-title" }, output ? t`Change ${output.name}` : t`A new output`);
  const way = choice(t`Goes to`, "output-way", Object.fromEntries(ways.map((one) => [one, WAYS[one]])), wayOf(output));
  way.row.hidden = output !== null;
  const form = make("form", { class: "made", novalidate: "", "aria-labelledby": title.id }, title, way.row, fields, problem);
  form.append(make("div", { class: "actions" }, cancel, save));
  /** @type {Part[]} */
  let parts = [];
  let version = output?.version ?? "";

  function lay() {
    parts = PARTS[/** @type {Way} */ (way.field.value)](set);
    fields.replaceChildren(...parts.map((part) => part.row));
  }

  cancel.addEventListener("click", () => {
    place.replaceChildren();
    done(output?.id ?? "");
  });
  way.field.addEventListener("change", lay);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = /** @type {Way} */ (way.field.value);
    /** @type {Record<string, unknown>} */
    const keys = output ? {} : { kind: kindOf(chosen), ...(chosen === "home" && { home_assistant: true }) };
    for (const part of parts) part.read(keys);
    for (const [key, value] of Object.entries(output ? before : {})) if (isSame(keys[key], value)) delete keys[key];
    save.disabled = true;
    const { body, refused } = await (output ? changeOutput({ id: output.id, version }, keys) : addOutput(keys));
    const there = refused?.status === CHANGED ? (await askOutputs()).body : null;
    save.disabled = false;
    if (there) {
      version = there.outputs.find(({ id }) => id === output?.id)?.version ?? version;
      return setText(problem, t`Somebody else has changed this output meanwhile. Save again to add your changes to theirs, or cancel to see theirs.`);
    }
    setText(problem, refused ? why(refused) : "");
    if (refused) return;
    if (form.isConnected) place.replaceChildren(); // else another one is in its place by now
    done(body.id);
  });
  lay();
  /** What it begins with: of an output that is there only what is changed here is sent. @type {Record<string, unknown>} */
  const before = {};
  for (const part of parts) part.read(before);
  place.replaceChildren(form);
  const first = output ? fields.querySelector("input") : way.field;
  first?.focus();
}

/** @param {Way} way */
const kindOf = (way) => (way === "webhook" ? "webhook" : "mqtt");

/** @param {unknown} one @param {unknown} other */
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** @param {Output | null} output @returns {Way} */
function wayOf(output) {
  if (!output) return "webhook";
  if (output.kind === "webhook") return "webhook";
  return output.settings?.["home_assistant"] ? "home" : "mqtt";
}

/** @type {Record<Way, (set: Record<string, unknown>) => Part[]>} */
const PARTS = {
  webhook: (set) => [
    secret(t`Address`, "url", set, { inputmode: "url", placeholder: "https://home.example/hook", maxlength: "2000" }),
    what(set, ["alerts", "events", "results"], ["events"]),
    stream(set),
    secret(t`Key for a signature, if the receiver checks one`, "secret", set, { type: "password", autocomplete: "new-password" }),
    picked(t`Pictures of events`, "picture", set, PICTURES, "url"),
  ],
  home: (set) => [...broker(set), flag(t`Home Assistant may switch detection, rules and models`, "control", set), stream(set)],
  mqtt: (set) => [
    ...broker(set),
    text(t`Topic`, "topic", set, { placeholder: "sightline/{stream}" }),
    what(set, ["alerts", "events", "results"], ["results"]),
    stream(set),
  ],
};

/** @param {Record<string, unknown>} set @returns {Part[]} */
const broker = (set) => [
  text(t`Broker`, "host", set, { placeholder: "homeassistant.local", inputmode: "url" }),
  text(t`Port`, "port", set, { placeholder: "1883", inputmode: "numeric" }, Number),
  text(t`User`, "username", set, {}),
  secret(t`Password`, "password", set, { type: "password", autocomplete: "new-password" }),
  flag(t`Encrypted (TLS)`, "tls", set),
];

/** @param {string} key @param {string} label @param {Record<string, string>} attributes */
function labelled(key, label, attributes) {
  const id = `output-${key}`;
  const field = make("input", { id, autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "300", ...attributes });
  return { row: make("div", {}, make("label", { for: id }, label), field), field };
}

/**
 * @param {string} label @param {string} key @param {Record<string, unknown>} set @param {Record<string, string>} attributes
 * @param {(text: string) => unknown} convert
 * @returns {Part}
 */
function text(label, key, set, attributes, convert = String) {
  const { row, field } = labelled(key, label, attributes);
  field.value = set[key] === undefined || set[key] === null ? "" : String(set[key]);
  return {
    row,
    read: (keys) => {
      const given = field.value.trim();
      if (given) keys[key] = convert(given);
      else if (key in set) keys[key] = null;
    },
  };
}

/** One that is never shown: nothing in it leaves it as it is. @param {string} label @param {string} key @param {Record<string, unknown>} set @param {Record<string, string>} attributes @returns {Part} */
function secret(label, key, set, attributes) {
  const { row, field } = labelled(key, label, attributes);
  if (set[key] === HIDDEN) field.placeholder = UNCHANGED;
  return {
    row,
    read: (keys) => {
      const given = key === "url" ? field.value.trim() : field.value;
      if (given) keys[key] = given;
    },
  };
}

/** @param {Record<string, unknown>} set @returns {Part} */
function stream(set) {
  const { row, field } = labelled("stream", t`Stream`, { placeholder: t`all streams`, maxlength: "64" });
  field.value = set["stream"] === "*" ? "" : String(set["stream"] ?? "");
  return { row, read: (keys) => (keys["stream"] = field.value.trim() || "*") };
}

/** @param {string} label @param {string} key @param {Record<string, unknown>} set @returns {Part} */
function flag(label, key, set) {
  const field = make("input", { type: "checkbox", role: "switch" });
  field.checked = set[key] === true;
  return { row: make("label", { class: "check" }, field, make("span", {}, label)), read: (keys) => (keys[key] = field.checked) };
}

/** @param {string} label @param {string} id @param {Record<string, string>} options @param {string} value */
function choice(label, id, options, value) {
  const field = make("select", { id }, ...Object.entries(options).map(([one, words]) => make("option", { value: one }, words)));
  field.value = value;
  return { row: make("div", {}, make("label", { for: id }, label), field), field };
}

/** @param {string} label @param {string} key @param {Record<string, unknown>} set @param {Record<string, string>} options @param {string} usual @returns {Part} */
function picked(label, key, set, options, usual) {
  const { row, field } = choice(label, `output-${key}`, options, String(set[key] ?? usual));
  return { row, read: (keys) => (keys[key] = field.value) };
}

/** @param {Record<string, unknown>} set @param {(keyof typeof WHAT)[]} all @param {string[]} usual @returns {Part} */
function what(set, all, usual) {
  const chosen = Array.isArray(set["what"]) ? set["what"] : usual;
  const boxes = all.map((one) => {
    const field = make("input", { type: "checkbox", value: one });
    field.checked = chosen.includes(one);
    return field;
  });
  const labels = boxes.map((field) => make("label", { class: "check" }, field, make("span", {}, WHAT[/** @type {keyof typeof WHAT} */ (field.value)])));
  return {
    row: make("fieldset", {}, make("legend", {}, t`Gets`), ...labels),
    read: (keys) => (keys["what"] = boxes.filter((field) => field.checked).map((field) => field.value)),
  };
}
