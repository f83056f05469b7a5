/** The picture as a place to draw on: the outline that is being drawn, and a button for each of its points. */

import { arrow } from "../../draw/zones.js";
import { make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { middle } from "../../lib/outline.js";
import { pointInWords } from "./words.js";

/**
 * @typedef {import("../../lib/outline.js").Point} Point
 * @typedef {import("../../lib/geometry.js").Rect} Rect
 */

const SVG = "http://www.w3.org/2000/svg";
const ARROW = 34;

export class Surface {
  /** Over the whole stage, so that points at the picture's edge can be reached. */
  element;
  /** Where the keyboard puts the next point, 0 to 1 of the picture. @type {Point} */
  cross = [0.5, 0.5];
  /** Where the mouse would put the next point. @type {Point | null} */
  hover = null;
  #draft;
  #canvas;
  #painter;
  #svg = document.createElementNS(SVG, "svg");
  #handles = make("div", { class: "handles" });
  /** @type {HTMLButtonElement[]} */
  #buttons = [];
  #paths = Object.fromEntries(
    ["fill", "halo", "edges", "ghost", "wrong", "spots", "cross"].map((name) => [name, document.createElementNS(SVG, "path")]),
  );
  /** @type {Rect} */
  #place = { x: 0, y: 0, width: 1, height: 1 };

  /**
   * @param {HTMLElement} stage @param {HTMLCanvasElement} canvas @param {import("../../draw/painter.js").Painter} painter
   * @param {import("./draft.js").Draft} draft
   */
  constructor(stage, canvas, painter, draft) {
    this.#draft = draft;
    this.#canvas = canvas;
    this.#painter = painter;
    const label = draft.kind === "zone" ? t`The picture, to draw a zone on` : t`The picture, to draw a line on`;
    const attributes = { class: "drawing", id: "drawing", tabindex: "0", role: "application" };
    this.element = make("div", { ...attributes, "aria-label": label, "aria-describedby": "drawing-hint" });
    for (const [name, path] of Object.entries(this.#paths)) {
      path.setAttribute("class", name);
      this.#svg.append(path);
    }
    this.#svg.setAttribute("aria-hidden", "true");
    this.element.append(this.#svg, this.#handles);
    stage.append(this.element);
    painter.overs.add(this.follow);
    this.follow();
  }

  end() {
    this.#painter.overs.delete(this.follow);
    this.element.remove();
  }

  /** Stay on the picture, wherever it is. */
  follow = () => {
    const { place } = this.#painter;
    if (!place) return;
    const [canvas, own] = [this.#canvas.getBoundingClientRect(), this.element.getBoundingClientRect()];
    const now = { ...place, x: place.x + canvas.x - own.x, y: place.y + canvas.y - own.y };
    if (JSON.stringify(now) === JSON.stringify(this.#place)) return;
    this.#place = now;
    this.show();
  };

  /** @param {string} color */
  paint(color) {
    this.element.style.setProperty("--shape", color);
  }

  /** A place of the window as one of the picture, 0 to 1 and maybe beyond. @param {{clientX: number, clientY: number}} at @returns {Point} */
  pointAt({ clientX, clientY }) {
    this.#painter.keepUp(); // a slow machine may take a click before it paints how the picture has made room
    const own = this.element.getBoundingClientRect();
    const { x, y, width, height } = this.#place;
    return [(clientX - own.x - x) / width, (clientY - own.y - y) / height];
  }

  /** A place of the picture in pixels of this surface. @param {Point} point @returns {Point} */
  pixels([h, v]) {
    const { x, y, width, height } = this.#place;
    return [x + h * width, y + v * height];
  }

  /** Put the focus on a point, or on the picture if there is none. @param {number} index */
  focus(index) {
    (this.#buttons[index] ?? this.element).focus({ preventScroll: true });
  }

  /** Show the draft as it is. */
  show() {
    const { kind, points, open, crossings } = this.#draft;
    const at = points.map((point) => this.pixels(point));
    const whole = way(at, kind === "zone" && !open);
    const edge = (/** @type {number} */ n) => way([at[n], at[(n + 1) % at.length]].filter((one) => one !== undefined), false);
    const wrong = new Set(crossings.flat());
    const next = open && this.hover ? this.pixels(this.hover) : null;
    this.#draw({
      fill: kind === "zone" ? way(at, true) : "",
      halo: `${whole}${this.#arrow(at)}`,
      edges: `${whole}${this.#arrow(at)}`,
      wrong: [...wrong].map(edge).join(""),
      ghost: this.#ghost(at, next),
      spots: kind === "zone" && !open ? at.map((one, n) => dot(middle(one, at[(n + 1) % at.length] ?? one))).join("") : "",
      cross: plus(this.pixels(this.cross)),
    });
    this.#showButtons(at);
  }

  /** The edges that a further point would make. @param {Point[]} at @param {Point | null} next */
  #ghost(at, next) {
    const [first, last] = [at[0], at.at(-1)];
    if (!first || !last) return "";
    if (next) return way(this.#draft.kind === "zone" && at.length > 1 ? [last, next, first] : [last, next], false);
    return this.#draft.open && at.length > 2 ? way([last, first], false) : "";
  }

  /** @param {Point[]} at */
  #arrow([a, b]) {
    if (this.#draft.kind !== "line" || !a || !b) return "";
    return arrow(a, b, ARROW).map((stroke) => way(stroke, false)).join("");
  }

  /** @param {Record<string, string>} ways */
  #draw(ways) {
    for (const [name, path] of Object.entries(ways)) this.#paths[name]?.setAttribute("d", path);
  }

  /** @param {Point[]} at */
  #showButtons(at) {
    while (this.#buttons.length > at.length) this.#buttons.pop()?.remove();
    while (this.#buttons.length < at.length) {
      const button = make("button", { type: "button", class: "point", "data-index": String(this.#buttons.length) });
      this.#buttons.push(button);
      this.#handles.append(button);
    }
    const { points, selected, kind } = this.#draft;
    const ends = [t`First end`, t`Second end`];
    this.#buttons.forEach((button, n) => {
      const [x, y] = /** @type {Point} */ (at[n]);
      button.style.transform = `translate(${x}px, ${y}px)`;
      button.setAttribute("aria-pressed", String(n === selected));
      const name = kind === "line" ? (ends[n] ?? "") : t`Corner ${n + 1} of ${at.length}`;
      button.setAttribute("aria-label", `${name}: ${pointInWords(/** @type {Point} */ (points[n]))}`);
      setText(button, String(n + 1));
    });
  }
}

/** @param {readonly Point[]} points @param {boolean} closed */
function way(points, closed) {
  return points.length ? `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}${closed ? "Z" : ""}` : "";
}

/** @param {Point} at */
function dot([x, y]) {
  return `M${x.toFixed(1)} ${y.toFixed(1)}h0`;
}

/** @param {Point} at */
function plus([x, y]) {
  return `M${(x - 14).toFixed(1)} ${y.toFixed(1)}h28m-14 -14v28`;
}
