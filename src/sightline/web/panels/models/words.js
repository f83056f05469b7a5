/** Sentences of the models page. Pure, so that each can be tested. */

import { fixed, plural } from "../../lib/format.js";
import { said, t } from "../../lib/i18n.js";
import { findsInWords } from "../model-words.js";

/**
 * @typedef {import("../../wire/models.js").Model} Model
 * @typedef {import("../../wire/models.js").Checked} Checked
 */

const SHOWN_LABELS = 12;
/** An address, and what a system says that has no way to it. */
const OFFLINE = /^https?:\/\/([^/\s]+)\S*: .*(not known|resolution|getaddrinfo|nodename|unreachable|no route|refused|timed out)/i;

/** Line beside the heading. @param {readonly Model[]} models @param {number} most bytes of memory that all may take */
export function totalsInWords(models, most) {
  const here = models.filter((model) => model.usable);
  const taken = here.reduce((sum, model) => sum + model.memory_bytes, 0);
  const loaded = here.filter((model) => model.memory_bytes).length;
  return t`${here.length} here · ${loaded} in memory: ${bytesInWords(taken)} of ${bytesInWords(most)}`;
}

/** @param {{task: string, labels: string[], description?: string}} model */
export function whatInWords({ task, labels, description = "" }) {
  return `${findsInWords(task, labels.length)}${description && `. ${said(description)}`}`;
}

/** Facts of a model, by their names. @param {Model} model @returns {[string, string][]} */
export function factsOf(model) {
  const { size_bytes: size, gettable, memory_bytes: memory, usable } = model;
  const bytes = gettable || size;
  return [
    [t`Size`, bytes ? bytesInWords(bytes) : t`no file`],
    [t`Licence`, model.licence || t`unknown`],
    [t`Input`, sizeInWords(model.input_size)],
    ...(usable ? [/** @type {[string, string]} */ ([t`Memory`, memory ? bytesInWords(memory) : t`not loaded`])] : []),
  ];
}

/** @param {number} bytes */
export function bytesInWords(bytes) {
  if (bytes < 1e5) return `${fixed(bytes / 1e3, 1)} KB`;
  if (bytes >= 999.5e6) return `${fixed(bytes / 1e9, 1)} GB`;
  return `${fixed(bytes / 1e6, bytes < 9.95e6 ? 1 : 0)} MB`;
}

/** @param {[number, number] | null} size */
export function sizeInWords(size) {
  return size ? `${size[0]} × ${size[1]}` : t`any size`;
}

/** The first labels, and how many more there are. @param {readonly string[]} labels */
export function labelsInWords(labels) {
  const more = labels.length - SHOWN_LABELS;
  const first = labels.slice(0, SHOWN_LABELS).join(", ");
  return more > 0 ? t`${first} and ${plural(more, "other")}` : first || t`none`;
}

/** Why nothing was got. @param {{error: string, done: number}} getting */
export function notGotInWords({ error, done }) {
  const [, host = ""] = OFFLINE.exec(error) ?? [];
  const why = host ? t`this server can't reach ${host}.` : error.replace(/[.;]?$/, ".");
  return t`It did not come: ${why}${done ? t` What has come is kept, and the next try goes on there.` : ""}`;
}

/** What removing a model means. @param {Model} model */
export function removalInWords({ name, size_bytes: size, source }) {
  const freed = size ? t` and frees ${bytesInWords(size)}` : "";
  const back = source === "sent to this server" ? t`It can be sent again.` : t`It can be got again.`;
  return t`This deletes ${name} from the server${freed}. ${back}`;
}

/** Why a file need not be sent; "" if it may. @param {{size: number}} file @param {number} most bytes */
export function unsendable({ size }, most) {
  if (!size) return t`This file is empty. Choose a model's .onnx file.`;
  if (size <= most) return "";
  return t`This file has ${bytesInWords(size)}, and ${bytesInWords(most)} is the most. Export a smaller model, or put it on the server and name it in the settings.`;
}

/** Make a sentence of the server's words. A file's name at their beginning stays as it is. @param {string} problem */
export function sentence(problem) {
  const words = problem.replace(/^[a-z]+(?=[\s:,])/, (word) => word.charAt(0).toUpperCase() + word.slice(1));
  return /[.!?]$/.test(words) ? words : `${words}.`;
}
