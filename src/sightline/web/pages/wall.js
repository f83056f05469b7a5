/** `/wall?streams=a,b`: live pictures that fill a tablet or a TV, for days. Without `streams` all that may be viewed. */

import { Awake } from "../lib/awake.js";
import { setData, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { setUpFullscreen } from "../panels/fullscreen.js";
import { byId, placeIcons } from "../panels/page.js";
import { Wall } from "../panels/wall/wall.js";
import { may, whoAmI } from "../wire/session.js";

const EVERY_MS = 3_000;
const GIVE_UP_MS = 5_000;
/** The bar and the pointer are out of the way when nobody uses them. */
const IDLE_MS = 4_000;

/** @typedef {import("../wire/stream-stats.js").StreamStats} StreamStats */

const words = byId("words", HTMLElement);
const wall = new Wall(byId("tiles", HTMLElement), byId("screen", HTMLElement));
const asked = new URLSearchParams(location.search).get("streams");
const wanted = [...new Set((asked ?? "").split(",").map((name) => name.trim()).filter(Boolean))];
/** @type {StreamStats[]} */
let streams = [];

placeIcons();
setUpFullscreen();
setUpKeys();
setUpBar();
void stayAwake();
void run();

async function run() {
  for (;;) {
    if (!document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

async function refresh() {
  try {
    const answer = await fetch("/api/streams", { signal: AbortSignal.timeout(GIVE_UP_MS), cache: "no-store" });
    if (answer.status === 401) {
      streams = [];
      wall.show([]);
      say("signed-out", t`Please sign in: scan a code, or open /join with a token.`);
      return;
    }
    if (!answer.ok) throw new Error(`${answer.status}`);
    if (document.body.dataset["state"] === "signed-out") location.reload(); // somebody has signed in meanwhile
    const session = await whoAmI();
    streams = (await answer.json()).streams.filter((/** @type {StreamStats} */ { name }) => may(session, "view", name));
    wall.show(chosen());
    const none = asked === null ? t`No stream yet.` : t`The address names no stream.`;
    if (streams.length || wanted.length) say("live", "");
    else say("empty", none);
  } catch {
    say("gone", t`The server doesn't answer. This page goes on by itself.`);
  }
}

/** @returns {import("../panels/wall/wall.js").Shown[]} */
function chosen() {
  if (!wanted.length) return asked === null ? streams : [];
  return wanted.map((name) => streams.find((stats) => stats.name === name) ?? { name, display_name: name, state: "missing" });
}

/** @param {string} state @param {string} text */
function say(state, text) {
  setData(document.body, "state", state);
  setText(words, text);
}

function setUpKeys() {
  const help = byId("help", HTMLDialogElement);
  /** @type {Record<string, () => void>} */
  const actions = {
    " ": () => wall.hold(),
    ArrowRight: () => wall.turn(1),
    ArrowLeft: () => wall.turn(-1),
    "?": () => (help.open ? help.close() : help.showModal()),
  };
  document.addEventListener("keydown", (event) => {
    const { key, ctrlKey, metaKey, altKey, target } = event;
    const action = actions[key];
    const pressed = key === " " && target instanceof Element && target.closest("button, a");
    if (!action || ctrlKey || metaKey || altKey || pressed || (help.open && key !== "?")) return;
    event.preventDefault();
    action();
  });
  byId("keys", HTMLButtonElement).addEventListener("click", () => help.showModal());
  byId("hold", HTMLButtonElement).addEventListener("click", () => wall.hold());
  byId("next", HTMLButtonElement).addEventListener("click", () => wall.turn(1));
  byId("help-close", HTMLButtonElement).addEventListener("click", () => help.close());
}

function setUpBar() {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const used = () => {
    setData(document.body, "used", "true");
    clearTimeout(timer);
    timer = setTimeout(() => setData(document.body, "used", "false"), IDLE_MS);
  };
  for (const name of ["pointermove", "pointerdown", "keydown", "focusin"]) document.addEventListener(name, used);
  used();
}

/** A wall's screen stays on. A hidden page loses that, and asks again. */
async function stayAwake() {
  const awake = new Awake();
  document.addEventListener("visibilitychange", () => document.hidden || void awake.stay(true));
  await awake.stay(true);
}
