/** The form beside the drawing: a zone's or a line's name, colour, and what counts. */

import { freeColor } from "../../draw/zone-layer.js";
import { make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { ClassChoice } from "./class-choice.js";
import { Ground } from "./ground.js";
import { freshName, nameProblem } from "./words.js";

/**
 * @typedef {import("../../wire/zones.js").Kind} Kind
 * @typedef {import("../../wire/zones.js").Shape} Shape
 * @typedef {{name: string, shape: Partial<Shape>}} Values `shape` is without its points
 */

export class ShapeForm {
  element;
  #kind;
  #before;
  #others;
  #name = make("input", { id: "zone-name", autocomplete: "off", spellcheck: "false", maxlength: "64", "aria-describedby": "zone-name-why" });
  #color = make("input", { type: "color", id: "zone-color" });
  #size = make("input", { type: "number", id: "zone-min_size", min: "0", max: "100", step: "any", inputmode: "decimal", "aria-describedby": "zone-min_size-why" });
  #anchor = make(
    "select",
    { id: "zone-anchor" },
    make("option", { value: "bottom" }, t`At its feet`),
    make("option", { value: "center" }, t`In its middle`),
  );
  #loiter = make("input", { type: "number", id: "zone-loiter_s", min: "0", step: "any", inputmode: "decimal", "aria-describedby": "zone-loiter_s-why" });
  #classes;
  #ground;

  /**
   * @param {Kind} kind @param {Values} values @param {string} before its name on the server, "" for a new one
   * @param {{others: string[], labels: readonly string[]}} known names of others of its kind; the model's classes
   */
  constructor(kind, { name, shape }, before, { others, labels }) {
    this.#kind = kind;
    this.#before = before;
    this.#others = others;
    this.#classes = new ClassChoice(labels, shape.classes ?? null);
    this.#classes.onchange = () => this.oninput();
    this.#ground = new Ground(shape.ground ?? null);
    this.#name.value = name;
    this.#color.value = shape.color ?? freeColor([]);
    this.#size.value = String(Math.round((shape.min_size ?? 0) * 1e4) / 100);
    this.#anchor.value = shape.anchor ?? "bottom";
    this.#loiter.value = shape.loiter_s ? String(shape.loiter_s) : "";
    this.element = make("div", { class: "inside", id: "zone-fields" }, ...this.#fields());
    this.#name.addEventListener("input", () => {
      this.#name.value = this.#name.value.replace(/\s/g, "-");
      this.#sayName();
    });
    this.element.addEventListener("input", () => this.oninput());
  }

  /** Called when something is chosen or typed. */
  oninput() {}

  /** @returns {Values} */
  get values() {
    const classes = this.#classes.value;
    const min_size = Math.min(100, Math.max(0, Number(this.#size.value) || 0)) / 100;
    const anchor = /** @type {Shape["anchor"]} */ (this.#anchor.value);
    const own = this.#kind === "zone" ? { loiter_s: Number(this.#loiter.value) || null } : {};
    return { name: this.#name.value, shape: { classes, min_size, anchor, color: this.#color.value, ...own } };
  }

  /** What is sent to the server, save the points. @param {number} corners */
  body(corners) {
    const ground = this.#kind === "zone" ? { ground: this.#ground.value(corners) } : {};
    return { ...this.values.shape, ...ground };
  }

  /** Suit the number of corners. @param {number} corners */
  suit(corners) {
    this.#ground.suit(corners);
  }

  /** Check what can be checked here. Tells what is wrong beside the field, and goes there. @param {number} corners */
  check(corners) {
    this.tell("", "");
    const name = nameProblem(this.#name.value, this.#others);
    if (name) this.tell("name", name);
    const ground = this.#kind === "zone" ? this.#ground.problem(corners) : "";
    if (ground) this.tell("ground", ground);
    return !name && !ground;
  }

  /** Tell what is wrong beside the field. @param {string} key "" clears all @param {string} message @returns {boolean} false if there is no such field */
  tell(key, message) {
    if (!key) for (const why of this.element.querySelectorAll("[id$=-why]")) setText(why, "");
    const why = key ? this.element.querySelector(`#zone-${key}-why`) : null;
    if (!why) return false;
    setText(why, message);
    const around = why.closest("details") ?? this.element.querySelector(`details#zone-${key}`);
    if (around instanceof HTMLDetailsElement) around.open = true;
    const field = this.element.querySelector(`#zone-${key}`);
    if (field instanceof HTMLElement) field.focus();
    why.scrollIntoView({ block: "nearest" });
    return true;
  }

  #sayName() {
    const renamed = this.#before && this.#name.value !== this.#before ? t`Under another name it counts from nothing.` : "";
    const why = this.element.querySelector("#zone-name-why");
    if (why) setText(why, nameProblem(this.#name.value, this.#others) || renamed);
  }

  #fields() {
    const parts = [
      ...field("name", t`Name`, this.#name),
      ...field("color", t`Colour`, this.#color),
      this.#classes.element,
      ...field("min_size", t`Least height of an object, in % of the picture`, this.#size),
      ...field("anchor", t`Where an object counts as being`, this.#anchor),
    ];
    if (this.#kind === "line") return parts;
    const loiter = field("loiter_s", t`Seconds of a stay that is loitering (empty: none)`, this.#loiter);
    return [...parts, ...loiter, this.#ground.element];
  }
}

/** Values of a new one. @param {Kind} kind @param {string[]} names of its kind @param {string[]} colors taken @returns {Values} */
export function fresh(kind, names, colors) {
  return { name: freshName(kind, names), shape: { color: freeColor(colors) } };
}

/** @param {string} key @param {string} text @param {HTMLElement} input */
function field(key, text, input) {
  const why = make("p", { class: "problem", id: `zone-${key}-why`, role: "status" });
  return [make("label", { for: `zone-${key}` }, text), input, why];
}
