/** The models page: what is there, what can be got, and a place for one's own file. */

import { StateBanner } from "../elements/state-banner.js";
import { setData, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { Newest } from "../lib/newest.js";
import { ModelList } from "../panels/models/list.js";
import { SendPlace } from "../panels/models/send.js";
import { sentence, totalsInWords } from "../panels/models/words.js";
import { notice } from "../panels/notice.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";
import { askModels, cancelModel, getModel, removeModel } from "../wire/models.js";
import { may, whoAmI } from "../wire/session.js";
import { learnNames } from "../wire/stream-names.js";
import { bannerOf, rightInWords } from "./models-state.js";

const LOOK_MS = 2_000;
const SOON_MS = 700;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let timer;
let manages = false;
/** What the server said last. @type {import("../wire/models.js").Models | null} */
let told = null;
const newest = new Newest();

const list = new ModelList({
  get: (name) => void then(getModel(name)),
  cancel: (name) => void then(cancelModel(name)),
  remove: (name) => void then(removeModel(name), t`${name} was removed.`),
});
const send = new SendPlace(() => void look());

/** @param {Promise<string>} deed which says why it came to nothing @param {string} done */
async function then(deed, done = "") {
  const problem = await deed;
  list.calm();
  newest.changed();
  notice(problem ? sentence(problem) : done);
  await look();
}

/** Ask the server, show what it says, and do so again after a while. */
async function look() {
  clearTimeout(timer);
  if (!document.hidden) {
    const asked = newest.ask();
    const { body, refused } = await askModels();
    if (!newest.takes(asked)) return; // a newer look goes on
    if (body) {
      told = body;
      await show(body);
    }
    byId("banner", StateBanner).say(bannerOf(refused, told !== null, () => void look()));
    setData(document.body, "state", refused ? "away" : "list");
    byId("skeleton", HTMLElement).hidden = true;
  }
  clearTimeout(timer);
  const busy = told?.models.some((model) => model.getting && !model.getting.error);
  timer = setTimeout(() => void look(), busy ? SOON_MS : LOOK_MS);
}

/** @param {import("../wire/models.js").Models} models */
async function show(models) {
  const me = await whoAmI();
  manages = may(me, "admin", "");
  byId("lists", HTMLElement).hidden = false;
  setText(byId("right", HTMLElement), rightInWords(manages));
  setText(byId("totals", HTMLElement), totalsInWords(models.models, models.memory_bytes));
  list.show(models.models, manages);
  send.show(manages, models.largest_upload);
}

setUpShell();
document.addEventListener("visibilitychange", () => void look());
void learnNames().then(look);
