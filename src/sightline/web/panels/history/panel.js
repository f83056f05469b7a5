/** A stream's figures over the last day, as the server has kept them: plots, and the same in words. */

import { make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { color } from "../../lib/palette.js";
import { every } from "../page.js";
import { Plots } from "../plots.js";
import { classesOf, columnsOf, inWords, mostInWords } from "./series.js";

/** @typedef {import("./series.js").Minute} Minute */

const AGAIN_MS = 20_000;
const GIVE_UP_MS = 10_000;
const HEIGHT = 112;

/** @param {string} stream @param {HTMLElement} body @param {() => boolean} isOpen @param {AbortSignal} signal ends it */
export async function showHistory(stream, body, isOpen, signal) {
  const panel = new HistoryPanel(stream, body, signal);
  await panel.show();
  const again = () => {
    if (isOpen() && !document.hidden) void panel.show().catch(() => {}); // the page says that the server is away
  };
  every(AGAIN_MS, again, signal);
}

class HistoryPanel {
  #stream;
  #body;
  #signal;
  #words = make("p", { class: "hint", id: "history-words" });
  #seen = make("ul", { class: "seen", id: "history-seen" });
  #place = make("div", { class: "plots", "aria-hidden": "true" });
  #about = make("p", { class: "hint" }, make("a", { href: "/help/browser#the-last-day" }, t`About these figures`));
  /** @type {Promise<Plots | null> | null} */
  #plots = null;
  /** @type {string[]} */
  #labels = [];

  /** @param {string} stream @param {HTMLElement} body @param {AbortSignal} signal */
  constructor(stream, body, signal) {
    this.#stream = stream;
    this.#body = body;
    this.#signal = signal;
  }

  async show() {
    const { minutes } = await asked(`/api/streams/${this.#stream}/history`);
    if (!this.#labels.length) {
      this.#labels = await asked(`/api/streams/${this.#stream}`).then(({ labels }) => labels).catch(() => []);
    }
    if (!this.#plots) this.#body.replaceChildren(this.#words, this.#seen, this.#place, this.#about);
    this.#plots ??= Plots.load(this.#place, HEIGHT, this.#signal);
    this.#draw(minutes, await this.#plots);
  }

  /** @param {Minute[]} minutes @param {Plots | null} plots */
  #draw(minutes, plots) {
    const kind = minutes.some(({ shares }) => Object.keys(shares).length) ? "shares" : "objects";
    const classes = classesOf(minutes, kind);
    setText(this.#words, inWords(minutes));
    const entries = classes.map((one, i) => entry(this.#color(one.name, i), mostInWords(one, kind)));
    this.#seen.replaceChildren(...(entries.length ? [make("li", {}, t`Most in a picture:`), ...entries] : []));
    this.#place.hidden = !minutes.length || !plots;
    if (this.#place.hidden) return;
    const chart = (/** @type {string} */ title, /** @type {string} */ color, /** @type {import("./series.js").Figure} */ figure) => ({
      ...{ title, lines: [{ name: title, color }], clock: true, columns: columnsOf(minutes, [figure]) },
    });
    const objects = {
      title: kind === "objects" ? t`most objects in a picture` : t`largest share of a picture`,
      lines: classes.map(({ name }, i) => ({ name, color: this.#color(name, i) })),
      clock: true,
      whole: kind === "objects",
      columns: columnsOf(minutes, classes.map(({ name }) => (minute) => minute[kind][name] ?? 0)),
    };
    plots?.show([
      chart(t`frames a second`, "var(--accent)", (minute) => minute.fps),
      chart(t`latency in the server, ms`, "var(--warn)", (minute) => minute.latency_ms),
      ...(classes.length ? [objects] : []),
      { ...chart(t`pictures a minute without a result`, "var(--bad)", (minute) => minute.lost), whole: true },
    ]);
  }

  /** The colour that the class has in pictures, where that is known. @param {string} name @param {number} i */
  #color(name, i) {
    const id = this.#labels.indexOf(name);
    const [r, g, b] = color(id < 0 ? i : id);
    return `rgb(${r} ${g} ${b})`;
  }
}

/** @param {string} color @param {string} text */
function entry(color, text) {
  const dot = make("span", { class: "dot" });
  dot.style.backgroundColor = color;
  return make("li", {}, dot, text);
}

/** @param {string} path */
async function asked(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}
