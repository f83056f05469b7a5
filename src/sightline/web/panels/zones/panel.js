/** The section on zones and lines: switches, the list with its figures, and the way to the editor. */

import { HeatLayer } from "../../draw/heat-layer.js";
import { ZoneLayer, keyOf, sum } from "../../draw/zone-layer.js";
import { icon, make, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { remember, remembered } from "../../lib/storage.js";
import { may, whoAmI } from "../../wire/session.js";
import { resetShape } from "../../wire/zones.js";
import { byId, loaded } from "../page.js";
import { ShapeList } from "./list.js";
import { Removal } from "./removal.js";

/**
 * @typedef {import("../../wire/zones.js").Kind} Kind
 */

const LOOK_MS = 250;
const REFRESH_MS = 5_000;
/** Hours begin at a quarter of the hour, whatever the server's time zone. */
const QUARTER_MS = 900_000;

/** @param {import("./words.js").About} about */
export async function open(about) {
  await loaded(make("link", { rel: "stylesheet", href: new URL("../../css/zones.css", import.meta.url).href }));
  return about.signal?.aborted ? null : new ZonePanel(about);
}

export class ZonePanel {
  #about;
  #heat;
  #layer;
  #list;
  #removal;
  #mayChange = false;
  #details = byId("zones", HTMLDetailsElement);
  #inside = byId("zones-inside", HTMLElement);
  #count = byId("zones-count", HTMLElement);
  #parts = make("div", { class: "inside" });
  #items = make("ul", { id: "zone-list", "aria-label": t`Zones and lines, with what they counted` });
  #empty = make("p", { class: "hint", id: "zones-empty" });
  #create = make("div", { class: "row", hidden: "" });
  #said = make("div", { id: "zones-said" });
  #shownAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #later;
  /** What had been counted when the report was asked for. */
  #reported = "";
  #quarter = 0;
  #editing = false;

  /** @param {import("./words.js").About} about */
  constructor(about) {
    this.#about = about;
    this.#heat = new HeatLayer(about.painter, about.stream);
    this.#layer = new ZoneLayer(about.painter, about.stream);
    this.#list = new ShapeList(this.#items, (deed, one) => void this.#do(deed, one));
    this.#removal = new Removal(about, this.#said, {
      onhide: () => this.#hide(),
      ondone: () => this.#ask(),
      onundo: (one) => this.#list.focus(keyOf(one), "remove"),
    });
    this.#layer.onreport = () => this.#have();
    this.#layer.onpicture = () => this.#look();
    this.#list.onopen = () => {
      if (this.#totals() !== this.#reported) void this.#ask(); // hours and days shall be those of the other figures
      this.#look(true);
    };
    void this.#ask(); // before anything is drawn, which would ask, too
    this.#build();
    void this.#askRights();
  }

  /** The server was reached, after it was not. */
  connected() {
    this.#layer.forget();
  }

  /** The camera is gone. */
  rest() {
    void this.#layer.rest();
  }

  /** Somebody looks at it. */
  seen() {
    this.#look(true);
  }

  #build() {
    const shown = toggle("zones-shown", t`Show zones and lines`, (on) => {
      this.#layer.shown = on;
      this.#about.painter.repaint();
    });
    const heat = toggle("heatmap", t`Heatmap of the last minutes`, (on) => this.#heat.show(on), "false");
    this.#create.append(this.#button("zone", t`New zone`), this.#button("line", t`New line`));
    const status = make("div", { role: "status" }, this.#said);
    this.#parts.append(shown, heat, this.#items, this.#empty, this.#create, status);
    this.#inside.replaceChildren(this.#parts);
  }

  /** @param {Kind} kind @param {string} text */
  #button(kind, text) {
    const button = make("button", { type: "button", class: "button", id: `new-${kind}` }, icon(kind), text);
    button.addEventListener("click", () => void this.#edit(kind, null, () => button.focus()));
    return button;
  }

  async #askRights() {
    const me = await whoAmI();
    this.#mayChange = may(me, "publish", this.#about.stream);
    byId("heatmap-row", HTMLElement, this.#parts).hidden = !may(me, "view", this.#about.stream);
    this.#have();
  }

  #ask() {
    this.#reported = this.#totals();
    this.#quarter = Math.floor(Date.now() / QUARTER_MS);
    return this.#layer.ask();
  }

  #have() {
    const all = this.#layer.all.filter((one) => !this.#removal.has(keyOf(one)));
    this.#list.have(all, this.#mayChange);
    this.#create.hidden = !this.#mayChange;
    this.#empty.hidden = all.length > 0;
    setText(this.#empty, t`A zone counts who is in a part of the picture; a line counts who crosses it, each way. There are none yet.`);
    setText(this.#count, all.length ? String(all.length) : "");
    this.#look(true);
  }

  #hide() {
    if (!this.#editing) this.#layer.hidden = new Set(this.#removal.keys);
    this.#have();
    this.#about.painter.repaint();
  }

  /** Show the figures, some times a second, while somebody sees them. @param {boolean} now */
  #look(now = false) {
    const at = performance.now();
    const { report, counted } = this.#layer;
    const seen = this.#details.open && !this.#editing;
    if (!report || !seen) return;
    clearTimeout(this.#later);
    if (!now && at - this.#shownAt < LOOK_MS) {
      this.#later = setTimeout(() => this.#look(), LOOK_MS); // this picture may be the last for long
      return;
    }
    this.#shownAt = at;
    this.#list.show(counted, report);
    const old = this.#totals() !== this.#reported || Math.floor(Date.now() / QUARTER_MS) !== this.#quarter;
    if (!this.#list.open || !old) return;
    const wait = REFRESH_MS - this.#layer.age;
    if (wait < 0) void this.#ask(); // for hours and days
    else this.#later = setTimeout(() => this.#look(), wait);
  }

  #totals() {
    const { zones = {}, lines = {} } = this.#layer.counted ?? {};
    const moved = [...Object.values(zones).map((one) => [one.entered, one.left]), ...Object.values(lines).map((one) => [one.in, one.out])];
    return moved.map((both) => both.map(sum).join()).join(" ");
  }

  /** @param {import("./list.js").Deed} deed @param {{kind: Kind, name: string}} one */
  async #do(deed, one) {
    if (deed === "edit") await this.#edit(one.kind, one.name, () => this.#list.focus(keyOf(one), "edit"));
    else if (deed === "remove") {
      const named = this.#layer.all.find((other) => keyOf(other) === keyOf(one));
      if (named) this.#removal.begin(named);
      document.getElementById("zones-undo")?.focus();
    } else {
      const answer = await resetShape(this.#about.stream, one.kind, one.name);
      this.#say(answer.ok ? t`“${one.name}” counts from nothing now.` : answer.message);
      await this.#ask();
    }
  }

  /**
   * @param {Kind} kind @param {string | null} name of one that is there @param {() => void} back puts the focus where it was
   * @param {import("./editor.js").Begun | null} begun goes on with what was left
   */
  async #edit(kind, name, back, begun = null) {
    const { painter } = this.#about;
    if (this.#editing) return;
    if (!painter.place) {
      this.#say(t`There is no picture to draw on. It can be drawn once the camera sends one.`);
      return;
    }
    this.#editing = true;
    const Editor = await import("./editor.js").then((module) => module.Editor, () => null);
    await this.#removal.finish();
    if (!this.#layer.report) await this.#ask();
    if (!Editor || !this.#layer.report) {
      this.#editing = false;
      this.#say(t`The server did not answer. Try again.`);
      return;
    }
    const named = this.#layer.all.find((one) => one.kind === kind && one.name === name) ?? null;
    this.#say("");
    this.#parts.hidden = true;
    const editor = new Editor({ ...this.#about, layer: this.#layer, inside: this.#inside }, kind, named, begun);
    const end = await editor.done;
    this.#parts.hidden = false;
    this.#editing = false;
    this.#layer.hidden = new Set();
    await this.#ask();
    if (end.name) this.#list.focus(keyOf({ kind, name: end.name }), "edit");
    else back();
    const { said, begun: left } = end;
    this.#say(said, left && (() => void this.#edit(kind, name, back, left)));
    painter.repaint();
  }

  /** @param {string} text @param {(() => void) | null | undefined} again */
  #say(text, again = null) {
    const button = make("button", { type: "button", class: "button", id: "zones-again" }, t`Go on drawing`);
    button.addEventListener("click", () => again?.());
    this.#said.replaceChildren(...(text ? [make("p", { class: "hint" }, text)] : []), ...(again ? [button] : []));
  }
}

/** @param {string} id @param {string} text @param {(on: boolean) => void} apply @param {string} otherwise */
function toggle(id, text, apply, otherwise = "true") {
  const input = make("input", { type: "checkbox", role: "switch", id });
  input.checked = remembered(id, otherwise) === "true";
  input.addEventListener("change", () => {
    remember(id, String(input.checked));
    apply(input.checked);
  });
  apply(input.checked);
  return make("label", { class: "check", id: `${id}-row` }, input, make("span", {}, text));
}
