/** Puts the situation of the events page on it. */

import { StateBanner } from "../elements/state-banner.js";
import { setData, setText } from "../lib/dom.js";
import { timeSet } from "../panels/events/filters.js";
import { byId } from "../panels/page.js";
import { bannerOf, footOf, pillOf, stateOf } from "./events-state.js";

/**
 * @param {import("./events-state.js").Situation} situation @param {import("../panels/events/filters.js").Filters} filters
 * @param {boolean} failed the older ones could not be had
 * @param {() => void} retry
 */
export function showSituation(situation, filters, failed, retry) {
  const state = stateOf(situation);
  const pill = pillOf(situation);
  setData(document.body, "state", state);
  setText(byId("pill", HTMLElement), pill.text);
  setData(byId("pill", HTMLElement), "kind", pill.kind);
  byId("banner", StateBanner).say(bannerOf(situation, retry));
  byId("skeleton", HTMLElement).hidden = state !== "loading";
  byId("empty", HTMLElement).hidden = state !== "empty";
  byId("nothing", HTMLElement).hidden = state !== "nothing";
  byId("any-time", HTMLElement).hidden = !timeSet(filters);
  setText(byId("foot-words", HTMLElement), footOf(situation, failed));
  byId("foot-retry", HTMLElement).hidden = !failed;
}
