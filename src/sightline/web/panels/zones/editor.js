/** Draws a zone or a line on the picture, and saves it. Loaded only when somebody begins to. */

import { colorOf, keyOf } from "../../draw/zone-layer.js";
import { make, setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { CHANGED } from "../../wire/versions.js";
import { removeShape, setShape } from "../../wire/zones.js";
import { byId } from "../page.js";
import { Draft } from "./draft.js";
import { ShapeForm, fresh } from "./form.js";
import { followKeys, stepOf } from "./keys.js";
import { followPointer } from "./pointing.js";
import { Crossings, inZone } from "./preview.js";
import { Surface } from "./surface.js";
import { Tools } from "./tools.js";
import { inWords } from "./words.js";

/**
 * @typedef {import("../../wire/zones.js").Kind} Kind
 * @typedef {{draft: Draft, values: import("./form.js").Values, known: Map<string, string>}} Begun what was drawn and not saved
 * @typedef {{name: string, said: string, begun: Begun | null}} End `name`: of what was saved, "" for nothing
 * @typedef {import("./words.js").About & {layer: import("../../draw/zone-layer.js").ZoneLayer, inside: HTMLElement}} Around
 */

/** Fields in which Enter saves. */
const FIELDS = "input:not([type=search], [type=checkbox], [type=color])";

export class Editor {
  /** Settled when it has ended. @type {Promise<End>} */
  done;
  /** @type {(end: End) => void} */
  #settle = () => {};
  #around;
  #kind;
  /** Name on the server, "" for a new one. */
  #before;
  /** Versions of those that it changes, by name. @type {Map<string, string>} */
  #known;
  #draft;
  #form;
  #surface;
  #tools;
  #live = make("p", { class: "hint", id: "drawing-live" });
  #problem = make("p", { class: "problem", id: "zone-problem", role: "alert" });
  #crossed = new Crossings();
  #stage = byId("stage", HTMLElement);
  #section;
  #busy = false;
  /** Whether a phone's sheet was up when it began. */
  #sheet = false;
  #ended = new AbortController();

  /**
   * @param {Around} around @param {Kind} kind
   * @param {import("../../draw/zone-layer.js").Named | null} named one that is there already
   * @param {Begun | null} begun goes on with this
   */
  constructor(around, kind, named, begun) {
    const { layer, labels, painter, inside } = around;
    this.#around = around;
    this.#kind = kind;
    this.#before = named?.name ?? "";
    this.#known = begun?.known ?? new Map(named ? [[named.name, named.version]] : []);
    this.done = new Promise((resolve) => (this.#settle = resolve));
    const others = layer.all.filter((one) => one.kind === kind && one.name !== this.#before).map(({ name }) => name);
    const own = named && { name: named.name, shape: { ...named.shape, color: colorOf(named.name, named.shape.color) } };
    const colors = layer.all.map(({ name, shape }) => colorOf(name, shape.color));
    const values = begun?.values ?? own ?? fresh(kind, others, colors);
    this.#draft = begun?.draft ?? new Draft(kind, named?.shape.points ?? []);
    this.#form = new ShapeForm(kind, values, this.#before, { others, labels: labels() });
    this.#form.oninput = () => this.#show();
    layer.hidden = new Set(named ? [keyOf(named)] : []);
    setData(this.#stage, "drawing", kind);
    this.#surface = new Surface(this.#stage, byId("canvas", HTMLCanvasElement), painter, this.#draft);
    this.#tools = new Tools(this.#draft, (tool) => this.#use(tool));
    this.#stage.append(this.#tools.hint, this.#tools.element);
    this.#section = make("div", { class: "inside", id: "zone-editor" }, this.#title(), this.#live, this.#form.element, this.#problem, this.#buttons());
    inside.append(this.#section);
    this.#wire();
    this.#show();
    this.#sheet = byId("panel", HTMLElement).dataset["open"] === "true";
    if (this.#sheet) byId("sheet-handle", HTMLButtonElement).click(); // on a phone the picture is drawn on while it is down
    this.#section.scrollIntoView({ block: "nearest" });
    this.#surface.focus(-1);
  }

  #title() {
    const what = this.#before ? t`Edit ${this.#before}` : this.#kind === "zone" ? t`New zone` : t`New line`;
    return make("h3", { class: "zone-title" }, what);
  }

  /** The same as over the picture: who fills in the form need not go back there. */
  #buttons() {
    const save = make("button", { type: "button", class: "button main", id: "zone-save" }, t`Save`);
    const cancel = make("button", { type: "button", class: "button", id: "zone-cancel" }, t`Cancel`);
    save.addEventListener("click", () => this.#use("save"));
    cancel.addEventListener("click", () => this.#use("cancel"));
    return make("div", { class: "row" }, save, cancel);
  }

  #wire() {
    const { signal } = this.#ended;
    const { painter, signal: gone } = this.#around;
    gone?.addEventListener("abort", () => this.#ended.abort());
    const changed = () => this.#show();
    followPointer(this.#surface, this.#draft, changed);
    followKeys(this.#surface, this.#draft, { changed, leave: () => this.#use("cancel") });
    painter.overs.add(this.#count);
    const press = (/** @type {KeyboardEvent} */ event) => {
      const step = stepOf(event);
      const typing = event.target instanceof HTMLElement && event.target.matches("input:not([type=checkbox], [type=color])");
      if (!step || typing) return;
      event.preventDefault();
      this.#use(step);
    };
    document.addEventListener("keydown", press, { signal });
    byId("sheet-handle", HTMLButtonElement).addEventListener("click", () => this.#section.scrollIntoView(), { signal });
    this.#section.addEventListener("keydown", (event) => {
      const sheet = byId("panel", HTMLElement).dataset["open"] === "true"; // Escape closes that first
      if (event.key === "Escape" && !sheet) this.#use("cancel");
      else if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.matches(FIELDS)) this.#use("save");
    });
  }

  /** @param {import("./tools.js").Tool} tool */
  #use(tool) {
    const draft = this.#draft;
    if (this.#busy) return;
    if (tool === "save") void this.#save();
    else if (tool === "cancel") this.#cancel();
    else {
      if (tool === "remove") draft.remove(draft.selected);
      else draft[tool]();
      this.#show();
    }
  }

  #cancel() {
    const changed = this.#draft.changed;
    const begun = { draft: this.#draft, values: this.#form.values, known: this.#known };
    this.#end({ name: "", said: changed ? t`It was not saved.` : "", begun: changed ? begun : null });
  }

  async #save() {
    const { points, problem } = this.#draft;
    setText(this.#problem, "");
    if (problem || !this.#form.check(points.length)) return this.#say(problem);
    const { stream } = this.#around;
    const { name } = this.#form.values;
    const shape = { ...this.#form.body(points.length), points: points.map(([x, y]) => /** @type {[number, number]} */ ([x, y])) };
    this.#busy = true;
    this.#show();
    let [answer, said] = [await setShape(stream, this.#kind, name, shape, this.#known.get(name) ?? ""), t`“${name}” is saved.`];
    if (answer.ok) this.#known.set(name, answer.version); // should it be saved again
    if (answer.ok && this.#before && this.#before !== name) {
      answer = await removeShape(stream, this.#kind, this.#before, this.#known.get(this.#before) ?? "");
      if (!answer.ok && answer.status === CHANGED) said = t`“${name}” is saved. Somebody else has changed “${this.#before}” meanwhile, so it is still there.`;
    } else if (!answer.ok && answer.status === CHANGED) return this.#outdated(name);
    this.#busy = false;
    this.#show();
    if (answer.ok || answer.status === CHANGED) this.#end({ name, said, begun: null });
    else if (!answer.key || !this.#form.tell(answer.key, answer.message)) this.#say(answer.message);
  }

  /** Somebody else was faster. Theirs is drawn, too. @param {string} name */
  async #outdated(name) {
    const { layer } = this.#around;
    await layer.ask();
    this.#busy = false;
    if (this.#ended.signal.aborted) return;
    this.#show();
    if (name !== this.#before) return void this.#form.tell("name", t`There is one of this name already.`);
    const there = layer.all.find((one) => one.kind === this.#kind && one.name === name);
    this.#known.set(name, there?.version ?? "");
    layer.hidden = new Set();
    const again = t`Somebody else has changed it meanwhile: theirs is drawn, too. Save again to have yours in its place, or cancel to leave it so.`;
    this.#say(there ? again : t`Somebody else has deleted it meanwhile. Save again to have it nevertheless.`);
  }

  /** @param {string} text */
  #say(text) {
    setText(this.#problem, text);
    if (text) setText(this.#tools.hint, text);
  }

  /** @type {import("../../draw/painter.js").Over} */
  #count = (_context, picture) => {
    const { points, problem } = this.#draft;
    const { classes = null, min_size = 0, anchor = "bottom" } = this.#form.values.shape;
    const drawn = { points, classes, min_size, anchor };
    if (points.length < this.#draft.least) setText(this.#live, "");
    else if (this.#kind === "zone") setText(this.#live, problem ? "" : t`In it now: ${inWords(inZone(picture, drawn))}.`);
    else {
      this.#crossed.take(picture, drawn);
      setText(this.#live, t`Since it lies there: ${this.#crossed.in} in, ${this.#crossed.out} out.`);
    }
  };

  #show() {
    this.#surface.paint(this.#form.values.shape.color ?? "");
    this.#surface.show();
    this.#tools.show(this.#draft, this.#busy);
    this.#form.suit(this.#draft.points.length);
    byId("zone-save", HTMLButtonElement, this.#section).disabled = this.#busy || this.#draft.problem !== "";
  }

  /** @param {End} end */
  #end(end) {
    if (this.#ended.signal.aborted) return; // another stream is shown by now
    this.#ended.abort();
    this.#around.painter.overs.delete(this.#count);
    this.#surface.end();
    this.#tools.element.remove();
    this.#tools.hint.remove();
    this.#section.remove();
    delete this.#stage.dataset["drawing"];
    if (this.#sheet && byId("panel", HTMLElement).dataset["open"] !== "true") byId("sheet-handle", HTMLButtonElement).click();
    this.#settle(end);
  }
}
