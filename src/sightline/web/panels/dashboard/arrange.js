/** Which streams the start page shows, and in which order. Pure, so that each can be tested. */

import { locale } from "../../lib/i18n.js";

/**
 * @typedef {import("../../wire/stream-stats.js").StreamStats} StreamStats
 * @typedef {"own" | "name" | "trouble"} Sort
 * @typedef {{name: string, streams: StreamStats[]}} Group `name` is empty for streams without one
 */

/** Numbers in names count as numbers: camera 9 comes before camera 10. */
const ORDER = new Intl.Collator(locale, { numeric: true, sensitivity: "base" });
/** @type {Record<StreamStats["state"], number>} */
const TROUBLE = { reconnecting: 0, waiting: 1, paused: 2, live: 3 };

/**
 * The streams that fit the words, by group: those without one first, then the groups by name.
 *
 * @param {StreamStats[]} streams in the server's order @param {Sort} sort @param {string} search
 * @returns {Group[]}
 */
export function arrange(streams, sort, search) {
  const found = streams.filter((stats) => fits(stats, search));
  if (sort !== "own") found.sort((a, b) => (sort === "trouble" && TROUBLE[a.state] - TROUBLE[b.state]) || byName(a, b));
  /** @type {Map<string, StreamStats[]>} */
  const groups = new Map();
  for (const stats of found) {
    const members = groups.get(stats.group);
    if (members) members.push(stats);
    else groups.set(stats.group, [stats]);
  }
  const names = [...groups.keys()].sort((a, b) => Number(a !== "") - Number(b !== "") || ORDER.compare(a, b));
  return names.map((name) => ({ name, streams: groups.get(name) ?? [] }));
}

/** Every word is somewhere in the stream's names, group or hub. @param {StreamStats} stats @param {string} search */
function fits({ name, display_name, group, hub = "" }, search) {
  const text = `${name} ${display_name} ${group} ${hub}`.toLocaleLowerCase();
  return search.toLocaleLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** @param {StreamStats} a @param {StreamStats} b */
function byName(a, b) {
  return ORDER.compare(a.display_name, b.display_name) || ORDER.compare(a.name, b.name);
}
