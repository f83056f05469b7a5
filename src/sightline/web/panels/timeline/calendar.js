/** A month of days, of which those that have something can be chosen. */

import { make, setText } from "../../lib/dom.js";
import { dateLocale, t } from "../../lib/i18n.js";
import { dayAround } from "./scale.js";

const WEEK = [t`Mon`, t`Tue`, t`Wed`, t`Thu`, t`Fri`, t`Sat`, t`Sun`];

export class Calendar {
  #title;
  #days;
  #onmonth;
  #onday;
  /** First moment of the month that is shown. */
  #month = new Date();
  /** First moments of days that have something. @type {ReadonlySet<number>} */
  #full = new Set();
  #chosen = NaN;
  /** Number of the newest question about a month: answers to earlier ones come too late. */
  #asked = 0;

  /**
   * @param {HTMLElement} place
   * @param {{onmonth: (from: number, to: number) => Promise<Iterable<number>>,
   *   onday: (day: import("./scale.js").Span) => void}} events `onmonth`: times in a month at which there is something
   */
  constructor(place, { onmonth, onday }) {
    this.#onmonth = onmonth;
    this.#onday = onday;
    this.#title = make("p", { class: "calendar-month", role: "status" });
    this.#days = make("div", { class: "calendar-days" });
    const before = make("button", { type: "button", class: "button quiet square", "aria-label": t`Month before` }, "‹");
    const after = make("button", { type: "button", class: "button quiet square", "aria-label": t`Month after` }, "›");
    before.addEventListener("click", () => void this.#turn(-1));
    after.addEventListener("click", () => void this.#turn(1));
    place.replaceChildren(make("div", { class: "calendar-head" }, before, this.#title, after), this.#days);
    this.#month.setHours(0, 0, 0, 0);
    this.#month.setDate(1);
    this.#build();
  }

  /** Ask again which days of the shown month have something. */
  ask() {
    void this.#turn(0);
  }

  /** Mark the day of a time, and turn to its month. @param {number} at */
  choose(at) {
    const { from } = dayAround(at);
    if (from === this.#chosen) return;
    this.#chosen = from;
    const day = new Date(from * 1000);
    const away = (day.getFullYear() - this.#month.getFullYear()) * 12 + day.getMonth() - this.#month.getMonth();
    if (away) void this.#turn(away);
    else this.#build();
  }

  /** @param {number} by months */
  async #turn(by) {
    this.#month = new Date(this.#month.getFullYear(), this.#month.getMonth() + by, 1);
    this.#full = new Set();
    this.#build();
    const after = new Date(this.#month.getFullYear(), this.#month.getMonth() + 1, 1);
    const asked = (this.#asked += 1);
    const times = await this.#onmonth(this.#month.getTime() / 1000, after.getTime() / 1000);
    if (asked !== this.#asked) return; // another month is shown, or other streams
    this.#full = new Set([...times].map((at) => dayAround(at).from));
    this.#build();
  }

  #build() {
    const [year, month] = [this.#month.getFullYear(), this.#month.getMonth()];
    setText(this.#title, this.#month.toLocaleDateString(dateLocale, { month: "long", year: "numeric" }));
    const names = WEEK.map((name) => make("span", { class: "calendar-week", "aria-hidden": "true" }, name.slice(0, 2)));
    const gap = (this.#month.getDay() + 6) % 7;
    const blanks = Array.from({ length: gap }, () => make("span"));
    const days = Array.from({ length: new Date(year, month + 1, 0).getDate() }, (_, n) => this.#day(new Date(year, month, n + 1)));
    this.#days.replaceChildren(...names, ...blanks, ...days);
  }

  /** @param {Date} date */
  #day(date) {
    const day = dayAround(date.getTime() / 1000);
    const words = date.toLocaleDateString(dateLocale, { weekday: "long", day: "numeric", month: "long" });
    const full = this.#full.has(day.from);
    const button = make("button", { type: "button", class: "calendar-day", "aria-label": `${words}${full ? "" : t`, nothing recorded`}` }, `${date.getDate()}`);
    button.disabled = !full;
    if (day.from === this.#chosen) button.setAttribute("aria-current", "date");
    button.addEventListener("click", () => this.#onday(day));
    return button;
  }
}
