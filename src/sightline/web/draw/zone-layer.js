/** A stream's zones and lines over its pictures, each with the counts that came with that picture. */

import { project } from "../lib/geometry.js";
import { t } from "../lib/i18n.js";
import { Newest } from "../lib/newest.js";
import { countedIn, zonesOf } from "../wire/zones.js";
import { faceOf, facesIn } from "./labels.js";
import { drawShapes } from "./zones.js";

/**
 * @typedef {import("../wire/zones.js").Kind} Kind
 * @typedef {{kind: Kind, name: string, version: string, shape: import("../wire/zones.js").Shape}} Named
 */

const AGAIN_MS = 3_000;
/** Revision of a stream without zones and lines. */
const NONE = -1;
/** Colours of those that have none, by their names. */
const COLORS = ["#ff5ecb", "#ffb000", "#b388ff", "#3ddc57", "#33aaff", "#ff7043", "#1de9b6", "#ffe14a"];

export class ZoneLayer {
  /** Whether anything is drawn. */
  shown = true;
  /** Those that are not drawn: see `keyOf`. @type {ReadonlySet<string>} */
  hidden = new Set();
  /** @type {import("../wire/zones.js").Report | null} */
  report = null;
  /** Counts of the picture that is shown. @type {import("../wire/zones.js").Counted | undefined} */
  counted;
  /** Called when the zones and lines are others. */
  onreport = () => {};
  /** Called with each picture. @type {(picture: import("../wire/findings.js").Picture) => void} */
  onpicture = () => {};
  #painter;
  #stream;
  #server;
  #token;
  #revision = NONE;
  #askedAt = -Infinity;
  #newest = new Newest();
  /** Where labels are: see `drawShapes`. @type {Map<string, number>} */
  #spots = new Map();
  /** The last picture, and the one that was the last when the camera went. @type {import("../wire/findings.js").Picture | null} */
  #last = null;
  /** @type {import("../wire/findings.js").Picture | null} */
  #rested = null;

  /** @param {import("./painter.js").Painter} painter @param {string} stream @param {string} server its origin, "" for the page's own @param {string} token */
  constructor(painter, stream, server = "", token = "") {
    this.#painter = painter;
    this.#stream = stream;
    this.#server = server;
    this.#token = token;
    painter.overs.add(this.#draw);
  }

  /** Leave the painter. */
  end() {
    this.#painter.overs.delete(this.#draw);
    this.#painter.repaint();
  }

  /** Zones, then lines, each in its order. @returns {Named[]} */
  get all() {
    const { zones = {}, lines = {} } = this.report ?? {};
    return [
      ...Object.entries(zones).map(([name, { zone, version }]) => ({ kind: /** @type {Kind} */ ("zone"), name, version, shape: zone })),
      ...Object.entries(lines).map(([name, { line, version }]) => ({ kind: /** @type {Kind} */ ("line"), name, version, shape: line })),
    ];
  }

  /** Milliseconds since the server was asked. */
  get age() {
    return performance.now() - this.#askedAt;
  }

  /** Ask the server for the zones and lines. */
  async ask() {
    this.#askedAt = performance.now();
    const asked = this.#newest.ask();
    const report = await zonesOf(this.#server, this.#stream, this.#token);
    if (!report || !this.#newest.takes(asked)) return;
    this.report = report;
    this.#revision = this.all.length ? report.revision : NONE;
    this.onreport();
    this.#painter.repaint();
  }

  /** @type {import("./painter.js").Over} */
  #draw = (context, picture, place, ratio) => {
    this.#learn(picture);
    this.onpicture(picture);
    if (!this.shown) return;
    const shapes = this.all.filter((one) => !this.hidden.has(keyOf(one)));
    const { overlay, labels } = this.#painter.options;
    const found = (picture.findings?.detections ?? []).map(({ class_name, xyxy }) => ({
      box: project(xyxy, picture.width, picture.height, place),
      face: faceOf(class_name),
    }));
    const boxes = overlay && labels ? found.map(({ box }) => box) : [];
    drawShapes(context, shapes.map((one) => this.#drawn(one)), place, ratio, boxes, this.#spots, facesIn(found));
  };

  /** The camera is gone: who was in the last picture is there no more. */
  async rest() {
    this.#rested = this.#last;
    this.counted = undefined;
    await this.ask();
  }

  /** Ask for the zones and lines only when others are counted than those that are known. @param {import("../wire/findings.js").Picture} picture */
  #learn(picture) {
    this.#last = picture;
    if (picture === this.#rested) return;
    const { findings } = picture;
    this.counted = countedIn(findings);
    if (findings?.browser && !findings.extras) return; // found by this very page: the server says nothing of it
    const revision = this.counted ? (this.counted.revision ?? 0) : NONE;
    if (revision !== this.#revision && this.age > AGAIN_MS) void this.ask();
  }

  /** The next picture tells anew which zones and lines there are: another run of the server may have sent it. */
  forget() {
    this.#revision = NaN;
  }

  /** @param {Named} one */
  #drawn({ kind, name, shape }) {
    const counts = kind === "zone" ? zoneWords(this.counted?.zones[name]) : lineWords(this.counted?.lines[name]);
    const words = counts.length ? counts.map((text) => `${name}  ${text}`) : [name];
    return { kind, name, color: colorOf(name, shape.color), points: shape.points, words };
  }
}

/** What tells a zone or a line from all others. @param {{kind: Kind, name: string}} one */
export function keyOf({ kind, name }) {
  return `${kind} ${name}`;
}

/** @param {string} name @param {string | null} color */
export function colorOf(name, color) {
  return color ?? /** @type {string} */ (COLORS[[...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % COLORS.length]);
}

/** A colour that none of these has, if there is one. @param {readonly string[]} taken */
export function freeColor(taken) {
  return COLORS.find((color) => !taken.includes(color)) ?? /** @type {string} */ (COLORS[taken.length % COLORS.length]);
}

/** @param {import("../wire/zones.js").ZoneCounts | undefined} counts longest wording first @returns {string[]} */
export function zoneWords(counts) {
  if (!counts) return [];
  const [now, entered, left] = [sum(counts.now), sum(counts.entered), sum(counts.left)];
  return [t`${now} now · ${entered} in · ${left} out`, `${now} / ${entered} / ${left}`];
}

/** @param {import("../wire/zones.js").Movements | undefined} counts @returns {string[]} */
export function lineWords(counts) {
  return counts ? [t`${sum(counts.in)} in · ${sum(counts.out)} out`, `${sum(counts.in)} / ${sum(counts.out)}`] : [];
}

/** @param {import("../wire/zones.js").ByClass} counts */
export function sum(counts) {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}
