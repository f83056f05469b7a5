/** Where one may look for what happened: zones, lines and rules of a stream, or of all. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { askApi } from "../../wire/events.js";
import { askRules } from "../../wire/rules.js";

/** @typedef {{zones: Record<string, unknown>, lines: Record<string, unknown>}} Shapes */

/** Streams that are asked for their zones and rules, at most. */
const MOST = 32;

/** @param {string} stream "" for all @returns {Promise<{zones: string[], rules: string[]} | null>} null where the server does not answer */
export async function placesOf(stream) {
  const streams = stream ? [stream] : (await allStreams())?.slice(0, MOST);
  if (!streams) return null;
  const found = await Promise.all(streams.map((one) => Promise.all([shapesOf(one), askRules(one)])));
  if (found.flat().some(({ refused }) => refused?.status === 0)) return null;
  const names = (/** @type {(Record<string, unknown> | undefined)[]} */ all) => [...new Set(all.flatMap((one) => Object.keys(one ?? {})))].sort();
  return {
    zones: names(found.flatMap(([{ body }]) => [body?.zones, body?.lines])),
    rules: names(found.map(([, { body }]) => body?.rules)),
  };
}

/** Options of a choice, whose values are parts of a query. @param {{zones: string[], rules: string[]}} places */
export function optionsOf({ zones, rules }) {
  const group = (/** @type {string} */ label, /** @type {string} */ key, /** @type {string[]} */ names) =>
    names.length ? [make("optgroup", { label }, ...names.map((name) => make("option", { value: new URLSearchParams({ [key]: name }).toString() }, name)))] : [];
  return [make("option", { value: "" }, t`Anywhere`), ...group(t`In a zone, at a line`, "zone", zones), ...group(t`By a rule`, "rule", rules)];
}

/** @param {string} stream */
function shapesOf(stream) {
  return /** @type {typeof askApi<Shapes>} */ (askApi)(`/api/streams/${encodeURIComponent(stream)}/zones`);
}

async function allStreams() {
  const { body } = await /** @type {typeof askApi<{streams: {name: string}[]}>} */ (askApi)("/api/streams");
  return body?.streams.map((one) => one.name);
}
