/** Sentences of the model panel. Pure, so that each can be tested. */

import { areaInWords, fixed, plural } from "../lib/format.js";
import { t } from "../lib/i18n.js";
import { may } from "../wire/session.js";

/**
 * @typedef {import("../wire/stream-stats.js").Detail} Detail
 * @typedef {{name: string, family: string, task: string, labels: string[], input_size: [number, number] | null,
 *   licence: string, licence_note: string, description: string, active: boolean, usable: boolean, reason: string,
 *   gettable: number, getting: {done: number, total: number, error: string} | null, engines: string[]}} Offer
 *   of `GET /api/models`
 */

/** Number of ids of a model without labels. */
const ANY_CLASS = 255;
/** Length of a message beyond which its brackets are left out. */
const LONG = 120;

/** @type {Record<string, string>} */
const ENGINES = { onnx: "ONNX Runtime", openvino: "OpenVINO", torch: "PyTorch" };

/** @param {string} name */
export function engineInWords(name) {
  return ENGINES[name] ?? name;
}

/** A model's findings in words. @param {string} task @param {number} classes 0 if nobody knows */
export function findsInWords(task, classes) {
  if (!task) return t`The operator's file`;
  const what = task === "segment" ? t`Areas` : t`Boxes`;
  return classes ? `${what} · ${plural(classes, "class", "classes")}` : what;
}

/** Line under the model that is in force, or is being loaded. @param {Detail} detail */
export function standing({ settings, pending, browser }) {
  if (pending) {
    if (pending.model === settings.model) return t`Loading it anew. Until it is ready, the old one goes on.`;
    return t`Loading “${pending.model}”. Until it is ready, “${settings.model}” goes on.`;
  }
  if (browser) return t`In the camera's browser: ${browser.replace("wasm", "WebAssembly").replace("webgpu", "WebGPU")}`;
  if (!settings.engine) return t`On the server, without an engine`;
  const size = settings.imgsz === null ? "" : t`, input ${settings.imgsz}`;
  return t`${engineInWords(settings.engine)} on the server's ${settings.device.toUpperCase()}${size}`;
}

/**
 * Reason why a model failed to load, without the details for the operator, which are in the server's log.
 *
 * @param {string} message @param {string} goesOn the model that serves
 */
export function failure(message, goesOn) {
  const short = message.length > LONG ? message.replace(/ \(.*\)(?=[.;]?$)/s, "") : message;
  return `${/[.!?]$/.test(short) ? short : `${short}.`} ${t`“${goesOn}” goes on.`}`;
}

/**
 * Reason why a model can't be chosen, and the operator's command at the end of the server's sentence.
 *
 * @param {string} reason
 */
export function lackOf(reason) {
  const [, why = reason, command = ""] = /^(.*?);? run:? (sightline .*)$/.exec(reason) ?? [];
  const sentence = why.replace(/^profile \S+: /, "");
  return { why: sentence.charAt(0).toUpperCase() + sentence.slice(1), command };
}

/**
 * Reason why somebody may not change a stream's settings; "" if they may.
 *
 * @param {import("../wire/session.js").Session | null} session @param {string} stream
 */
export function whyReadOnly(session, stream) {
  if (may(session, "publish", stream)) return "";
  return t`You may watch these settings. To change them you need the right to publish “${stream}”.`;
}

/**
 * Ids of the classes that may be ticked.
 *
 * @param {readonly string[]} labels @returns {number[]}
 */
export function universe(labels) {
  return Array.from({ length: labels.length || ANY_CLASS }, (_, id) => id);
}

/**
 * Summary of the class list.
 *
 * @param {ReadonlySet<number> | null} shown null for all @param {number} classes 0 if nobody knows
 */
export function shownInWords(shown, classes) {
  if (!shown) return classes ? t`all ${classes}` : t`all`;
  if (!shown.size) return t`none`;
  return classes ? t`${shown.size} of ${classes}` : `${shown.size}`;
}

/** Amount of a class that was found lately. @param {import("../wire/stream-stats.js").Seen | undefined} seen */
export function amount(seen) {
  if (!seen) return "";
  if (seen.share !== null) return areaInWords(seen.share);
  const n = seen.count ?? 0;
  return n >= 9.95 || Number.isInteger(n) ? fixed(n, 0) : fixed(n, 1);
}

/**
 * Classes in the order of the list: those found lately, then all others in the model's order.
 *
 * @param {readonly string[]} labels @param {readonly import("../wire/stream-stats.js").Seen[]} seen largest first
 * @param {ReadonlySet<number> | null} shown
 * @returns {{id: number, name: string}[]}
 */
export function listed(labels, seen, shown) {
  const first = seen.map((s) => s.class_id);
  const rest = labels.length ? labels.keys() : (shown ?? []);
  return [...new Set([...first, ...rest])].map((id) => ({ id, name: labels[id] ?? t`class ${id}` }));
}

/** @param {string} name @param {string} search */
export function matches(name, search) {
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((part) => name.toLowerCase().includes(part));
}

/** @param {number} stride @param {number | null | undefined} adapted what the server has set it to */
export function sizeInWords(stride, adapted) {
  const own = typeof adapted === "number" ? t` Until somebody chooses one, the server adapts it.` : "";
  return t`Pixels of the longer side, a multiple of ${stride}. Larger finds smaller things, and takes longer.${own}`;
}

/** Input sizes that a model takes. @param {number} stride */
export function sizes(stride) {
  return { least: Math.ceil(64 / stride) * stride, most: Math.floor(2048 / stride) * stride };
}

/** Size of a download. @param {number} bytes */
export function megabytes(bytes) {
  return `${fixed(bytes / 1e6, bytes < 9.95e6 ? 1 : 0)} MB`;
}
