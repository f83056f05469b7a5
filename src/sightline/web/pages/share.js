/** A shared clip: one recorded time of one stream, for whoever has the link. The page asks for nothing else. */

import { SightlineViewer } from "../elements/sightline-viewer.js";
import { StateBanner } from "../elements/state-banner.js";
import { make, setData, setText } from "../lib/dom.js";
import { locale, t } from "../lib/i18n.js";
import { setUpLooks } from "../panels/looks.js";
import { ObjectList } from "../panels/objects.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { setUpControls, showState } from "../panels/timeline/controls.js";
import { Player } from "../panels/timeline/player.js";
import { momentInWords } from "../panels/timeline/words.js";
import { askShared } from "../wire/shares.js";

/** @typedef {import("../wire/shares.js").Shared} Shared */

const link = location.pathname.slice(location.pathname.lastIndexOf("/") + 1);
const viewer = byId("viewer", SightlineViewer);
const banner = byId("banner", StateBanner);
const stage = byId("stage", HTMLElement);
const place = byId("place", HTMLInputElement);
const player = new Player(viewer, () => `/ws/shared/${link}`);
const objects = new ObjectList(byId("objects", HTMLElement), byId("spoken", HTMLElement), byId("so-far", HTMLElement));
const WHEN = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

async function run() {
  setUpShell();
  setUpLooks(viewer.painter);
  const { body, refused } = await askShared(link);
  if (refused) return refuse(refused.code);
  setText(byId("name", HTMLElement), body.name);
  document.title = t`${body.name}, shared clip · Sightline`;
  setText(byId("about", HTMLElement), t`${momentInWords(body.from)} to ${momentInWords(body.to)}. The link is good until ${WHEN.format(body.ends_at * 1000)}.`);
  Object.assign(byId("file", HTMLAnchorElement), { href: body.file, hidden: false });
  if (body.plays) play(body);
  else showFile(body);
}

/** @param {Shared} clip */
function play({ from, to }) {
  byId("deck", HTMLElement).hidden = false;
  Object.assign(place, { min: `${from}`, max: `${to}`, value: `${from}` });
  const go = (/** @type {number} */ at, /** @type {boolean} */ playing) => player.go("clip", Math.min(Math.max(at, from), to), playing);
  const toggle = () => (player.state === "end" ? go(from, true) : player.toggle());
  const none = () => {};
  setUpControls({ toggle, step: (n) => player.step(n), skip: (s) => go(player.at + s, player.playing), speed: (x) => player.setSpeed(x), jump: none, live: none, openExport: none, mark: none });
  place.addEventListener("input", () => go(Number(place.value), player.playing));
  player.onpicture = (meta) => {
    objects.show(meta);
    setData(stage, "showing", "canvas");
    setData(document.body, "frame", String(meta.frameNumber));
    setData(document.body, "at", meta.at.toFixed(3));
    setText(byId("moment", HTMLElement), momentInWords(meta.at, true));
    place.value = `${meta.at}`;
    place.setAttribute("aria-valuetext", momentInWords(meta.at));
  };
  player.onchange = update;
  go(from, true);
}

/** A file that was made is shown as it is: there is nothing to draw. @param {Shared} clip */
function showFile({ file }) {
  const video = make("video", { src: file, controls: "", playsinline: "", preload: "metadata" });
  video.addEventListener("error", () => {
    video.hidden = true;
    banner.say({ icon: "warning", title: t`This browser can't play it`, text: t`Download the file, which players can.` });
  });
  viewer.hidden = true;
  stage.prepend(video);
  setData(stage, "showing", "video");
  setData(document.body, "state", "file");
  byId("pill", HTMLElement).hidden = true;
}

function update() {
  showState(player, false);
  if (player.refused) return refuse(player.refused.code);
  if (player.state === "empty") {
    banner.say({ icon: "warning", kind: "warning", title: t`The recording is gone`, text: t`It was deleted, or is older than recordings are kept.` });
  } else if (player.state === "lost") {
    banner.say({ icon: "off", kind: "warning", title: t`The connection was lost`, text: t`It comes back by itself.`, retryAt: player.retryAt });
  } else banner.say(null);
}

/** @param {string} code */
function refuse(code) {
  setData(document.body, "state", "refused");
  setText(byId("pill", HTMLElement), t`Ended`);
  setData(stage, "showing", "nothing");
  viewer.painter.clear();
  for (const id of ["deck", "file"]) byId(id, HTMLElement).hidden = true;
  const known = code === "not_found";
  const title = known ? t`This link does not work` : t`The clip can't be shown now`;
  const text = known ? t`It has ended, was taken back, or is not whole. Ask whoever sent it for another.` : t`Try again in a minute.`;
  banner.say({ icon: "warning", kind: "error", title, text });
}

void run();
