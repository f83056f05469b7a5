/** The part "Try again with…", whose script is fetched once somebody opens it. */

import { setUpLazyPart } from "../lazy-part.js";

/** @param {import("./replay/result.js").Page} timeline what it reads of the page, and changes there */
export function setUpReplay(timeline) {
  setUpLazyPart("replay", () => import("./replay/panel.js"), ({ ReplayPanel }, part) => new ReplayPanel(part, timeline).begin());
}
