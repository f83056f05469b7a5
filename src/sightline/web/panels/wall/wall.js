/** A grid of live pictures that fills the screen, and goes on to the next where more streams are wanted than fit. */

import { setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { TileFeeds } from "../../wire/tiles.js";
import { grid, screens } from "./grid.js";
import { Tile } from "./tile.js";

const SCREEN_MS = 15_000;

/** @typedef {{name: string, hub?: string, display_name: string, state: string}} Shown */

export class Wall {
  /** Whether the screens stand still. */
  held = false;
  #place;
  #told;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** @type {Shown[]} */
  #streams = [];
  #screen = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #feed = new TileFeeds({
    onpicture: (stream, picture) => {
      const tile = this.#tiles.get(stream);
      if (tile) tile.draw(picture);
      else picture.close();
    },
    onphase: (phase) => setData(this.#place, "phase", phase),
  });

  /** @param {HTMLElement} place of the pictures @param {HTMLElement} told where it is said which screen this is */
  constructor(place, told) {
    this.#place = place;
    this.#told = told;
    addEventListener("resize", () => this.#show());
    document.addEventListener("visibilitychange", () => this.#ask());
    this.#wait();
  }

  /** @param {Shown[]} streams all that are wanted, as they stand now */
  show(streams) {
    this.#streams = streams;
    this.#show();
  }

  /** Show another screen. @param {1 | -1} by */
  turn(by) {
    this.#screen += by;
    this.#show();
    this.#wait();
  }

  /** Stand still, or go on. */
  hold() {
    this.held = !this.held;
    setData(this.#place, "held", String(this.held));
    this.#show();
    this.#wait();
  }

  #wait() {
    clearTimeout(this.#timer);
    if (!this.held) this.#timer = setTimeout(() => this.turn(1), SCREEN_MS);
  }

  #show() {
    const all = screens(this.#streams, innerWidth, innerHeight);
    this.#screen = all.length ? (this.#screen + all.length) % all.length : 0;
    const shown = all[this.#screen] ?? [];
    const { columns, rows } = grid(shown.length, innerWidth, innerHeight);
    this.#place.style.setProperty("--columns", String(columns));
    this.#place.style.setProperty("--rows", String(rows));
    const before = this.#tiles;
    this.#tiles = new Map(shown.map(({ name }) => [name, before.get(name) ?? new Tile(name)]));
    for (const { name, display_name, state } of shown) this.#tiles.get(name)?.tell(display_name, state);
    const elements = [...this.#tiles.values()].map((tile) => tile.element);
    const same = elements.length === this.#place.children.length && elements.every((e, i) => e === this.#place.children[i]);
    if (!same) this.#place.replaceChildren(...elements);
    const which = all.length > 1 ? t`${this.#screen + 1} of ${all.length}` : "";
    setText(this.#told, which && this.held ? t`${which}, held` : which);
    this.#ask();
  }

  #ask() {
    const shown = document.hidden ? [] : this.#streams.filter(({ name, state }) => this.#tiles.has(name) && state === "live");
    const { across } = grid(Math.max(1, this.#tiles.size), innerWidth, innerHeight);
    this.#feed.choose(shown, across * devicePixelRatio);
  }
}
