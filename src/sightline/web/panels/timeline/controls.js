/** Buttons and keys that play, and what plays. */

import { setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { byId } from "../page.js";
import { pillOf } from "./words.js";

/** Paths in a square of 24 x 24. @type {Record<string, string>} */
const ICONS = {
  before: "M6 5v14M19 5l-9 7 9 7z",
  after: "M18 5v14M5 5l9 7-9 7z",
  back: "M15 6l-6 6 6 6",
  on: "M9 6l6 6-6 6",
  play: "M7 4l13 8-13 8z",
  pause: "M8 4.5v15M16 4.5v15",
};
const SVG = "http://www.w3.org/2000/svg";
const JUMP_S = 5;

/**
 * @typedef {{toggle: () => void, step: (frames: number) => void, jump: (way: 1 | -1) => void, skip: (seconds: number) => void,
 *   live: () => void, speed: (x: number) => void, openExport: () => void, mark: (edge: "from" | "to") => void}} Does
 */

/** A page need not have all of the buttons. @param {Does} does */
export function setUpControls(does) {
  for (const button of document.querySelectorAll("[data-play]")) if (button instanceof HTMLElement) setIcon(button, button.dataset["play"] ?? "");
  const press = (/** @type {string} */ id, /** @type {() => void} */ run) => document.getElementById(id)?.addEventListener("click", run);
  press("play", does.toggle);
  press("frame-back", () => does.step(-1));
  press("frame-on", () => does.step(1));
  press("event-before", () => does.jump(-1));
  press("event-after", () => does.jump(1));
  press("live", does.live);
  const speed = byId("speed", HTMLSelectElement);
  speed.addEventListener("change", () => does.speed(Number(speed.value)));
  /** @type {Record<string, () => void>} */
  const keys = {
    " ": does.toggle,
    ",": () => does.step(-1),
    ".": () => does.step(1),
    ArrowLeft: () => does.skip(-JUMP_S),
    ArrowRight: () => does.skip(JUMP_S),
    n: () => does.jump(1),
    p: () => does.jump(-1),
    l: does.live,
    e: does.openExport,
    "[": () => does.mark("from"),
    "]": () => does.mark("to"),
  };
  addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !(target instanceof Element)) return;
    if (target.closest("input, select, textarea, dialog") || (event.key === " " && target.closest("button, a, summary"))) return;
    const run = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!run) return;
    event.preventDefault();
    run();
  });
}

/** @param {import("./player.js").Player} player @param {boolean} isLive whether there is something live of its stream */
export function showState(player, isLive) {
  const { text, kind } = pillOf(player.state, player.speed);
  const [pill, live] = [byId("pill", HTMLElement), document.getElementById("live")];
  setData(document.body, "state", player.state);
  setText(pill, text);
  setData(pill, "kind", kind);
  showPlaying(player.playing && player.state !== "live");
  live?.setAttribute("aria-pressed", String(player.state === "live"));
  if (live instanceof HTMLButtonElement) live.disabled = !isLive;
}

/** Show whether pressing the button plays or pauses. @param {boolean} playing */
function showPlaying(playing) {
  const button = byId("play", HTMLButtonElement);
  const name = playing ? "pause" : "play";
  if (button.dataset["play"] === name) return;
  button.dataset["play"] = name;
  button.setAttribute("aria-label", playing ? t`Pause` : t`Play`);
  setIcon(button, name);
}

/** @param {HTMLElement} button @param {string} name */
function setIcon(button, name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  button.replaceChildren(svg);
}
