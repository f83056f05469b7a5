/** What came of a replay: then and now, side by side, with ways to the frames that differ. */

import { make, setText } from "../../../lib/dom.js";
import { t } from "../../../lib/i18n.js";
import { Band } from "./band.js";
import { drawNow } from "./over.js";
import { differenceAt, differenceBeside, firingsOf, foundInWords, rowsOf, summaryOf } from "./rows.js";

/**
 * @typedef {import("../../../wire/replays.js").Outcome} Outcome
 * @typedef {{stream: () => string, span: () => import("../scale.js").Span, at: () => number,
 *   go: (stream: string, at: number) => void, showAgain: (outcome: Outcome | null) => void, painter: import("../../../draw/painter.js").Painter}} Page
 */

const MOST_FIRINGS = 50;

export class ReplayResult {
  element = make("div", { class: "replay-result", hidden: "" });
  #page;
  /** @type {Outcome | null} */
  #outcome = null;
  #summary = make("p", { role: "status" });
  #here = make("p", { class: "hint" });
  #band = new Band((at) => this.#pick(at));
  #before = make("button", { type: "button", class: "button", "aria-label": t`Previous frame that differs` }, t`Previous`);
  #after = make("button", { type: "button", class: "button", "aria-label": t`Next frame that differs` }, t`Next`);
  #body = make("tbody");
  #firings = make("ul", { class: "replay-firings" });

  /** @param {Page} page */
  constructor(page) {
    this.#page = page;
    this.#before.addEventListener("click", () => this.#step(-1));
    this.#after.addEventListener("click", () => this.#step(1));
    const names = [t`What`, t`Then`, t`Now`].map((name) => make("th", { scope: "col" }, name));
    const table = make("table", { class: "replay-table" }, make("thead", {}, make("tr", {}, ...names)), this.#body);
    const ways = make("div", { class: "replay-ways" }, this.#before, this.#after);
    this.element.append(this.#summary, this.#band.element, ways, this.#here, table, this.#firings);
    page.painter.overs.add((context, _, place, ratio) => {
      const difference = this.#difference;
      setText(this.#here, difference ? t`Then ${foundInWords(difference.then)}. Now, dashed: ${foundInWords(difference.now)}.` : "");
      if (difference) drawNow(context, difference, place, ratio);
    });
  }

  /** @param {Outcome | null} outcome null for none */
  show(outcome) {
    this.#outcome = outcome;
    this.element.hidden = !outcome;
    this.#page.painter.repaint();
    this.#page.showAgain(outcome);
    if (!outcome) return;
    setText(this.#summary, summaryOf(outcome));
    this.#band.show(outcome);
    this.#before.disabled = this.#after.disabled = !outcome.differences.length;
    this.#body.replaceChildren(
      ...rowsOf(outcome).map(({ what, then, now }) =>
        make("tr", { "data-differs": String(then !== now) }, make("th", { scope: "row" }, what), make("td", {}, then), make("td", {}, now)),
      ),
    );
    const firings = firingsOf(outcome).slice(0, MOST_FIRINGS).map(({ at, words }) => {
      const button = make("button", { type: "button", class: "link" }, words);
      button.addEventListener("click", () => this.#page.go(outcome.stream, at));
      return make("li", {}, button);
    });
    this.#firings.replaceChildren(...firings);
  }

  /** That of the frame that is shown. */
  get #difference() {
    return this.#outcome?.stream === this.#page.stream() ? differenceAt(this.#outcome, this.#page.at()) : undefined;
  }

  /** @param {1 | -1} way */
  #step(way) {
    if (!this.#outcome) return;
    const { since, until, stream } = this.#outcome;
    const at = this.#page.at();
    const from = this.#page.stream() === stream && at >= since && at <= until ? at : NaN;
    const found = differenceBeside(this.#outcome, from, way);
    if (found) this.#page.go(stream, found.at);
  }

  /** Go to a time, or to the frame that differs close to it. @param {number} at */
  #pick(at) {
    if (!this.#outcome) return;
    const near = (this.#outcome.until - this.#outcome.since) / 100;
    const found = this.#outcome.differences.find((one) => Math.abs(one.at - at) < near);
    this.#page.go(this.#outcome.stream, found?.at ?? at);
  }
}
