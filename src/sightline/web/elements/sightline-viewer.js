/**
 * `<sightline-viewer stream="door">`: a stream's pictures, each with what the model said of exactly that picture.
 *
 * It connects when it is put on a page, and lets go of everything when it is taken off. Several on one page are
 * independent of each other, and none touches the page around it: elements therefore stand below panels.
 *
 * Methods whose names begin with `on` are called when something happens. They do nothing here: override them in a
 * subclass, or assign them to one element.
 *
 * A canvas among its children is drawn on, if it is there when the element connects. Else the element brings its own.
 * Other children are what a browser shows that did not get this script.
 */

import { AUTO, AUTO_OPACITY, modeNamed } from "../draw/modes.js";
import { Painter } from "../draw/painter.js";
import { t } from "../lib/i18n.js";
import { LiveFigures } from "../lib/live-figures.js";
import { choose } from "../webrtc/choice.js";
import { ViewerSession } from "./viewer-session.js";
import { atRest, stateOf } from "./viewer-status.js";

/**
 * @typedef {import("./viewer-session.js").Frame} Frame
 * @typedef {import("./viewer-session.js").Status} Status
 */

/** The server that this script came from; "" where it came from none. */
const HOME = import.meta.url.startsWith("http") ? new URL(import.meta.url).origin : "";

const SHEET = new CSSStyleSheet();
SHEET.replaceSync(`
  :host { display: block; position: relative; overflow: hidden; aspect-ratio: 16 / 9; background: #05080a; }
  :host([hidden]) { display: none; }
  canvas, ::slotted(canvas) { display: block; width: 100%; height: 100%; }
  ::slotted(:not(canvas)) { display: none; }
  .words { position: absolute; inset: auto 0 0; margin: 0; padding: 8px 12px; color: #fff; background: #000c;
    font: 14px/20px system-ui, sans-serif; }
  .words:empty { display: none; }
  .unseen { position: absolute; width: 1px; height: 1px; clip-path: inset(50%); }
`);

export class SightlineViewer extends HTMLElement {
  static observedAttributes = ["stream", "src", "token", "transport", "mode", "opacity", "zones"];

  /**
   * Words for a status, shown in the element. Without this, the page around it has the words.
   *
   * @type {((status: Status, stream: string, server: string) => string) | null}
   */
  static words = null;

  #root = this.attachShadow({ mode: "open" });
  #words = document.createElement("p");
  #attached = false;
  #model = "";
  /** @type {Painter | null} */
  #painter = null;
  /** @type {ViewerSession | null} */
  #session = null;
  /** @type {import("../draw/zone-layer.js").ZoneLayer | null} */
  #zones = null;

  constructor() {
    super();
    this.#root.adoptedStyleSheets = [SHEET];
    this.#words.className = "words";
    this.#words.setAttribute("role", "status");
    this.#root.append(document.createElement("slot"), this.#words);
  }

  // Hooks

  /** Called when the server was reached. */
  onconnect() {}

  /** Called when a picture was drawn. @param {Frame} _frame */
  onframe(_frame) {}

  /**
   * Called instead of `onframe` when nothing moved and the picture before is up to date.
   *
   * @param {import("../wire/messages.js").StillMessage} _message
   * @param {{at: number, latency: number}} _shown as of a `Frame`
   */
  onstill(_message, _shown) {}

  /** Called before the first picture of another model is drawn. @param {string} _model */
  onmodel(_model) {}

  /** Called when the status changed. @param {Status} _status */
  onstatus(_status) {}

  /**
   * Called when a transport is taken, with the reason if that is not WebRTC.
   *
   * @type {import("../webrtc/link.js").OnTransport}
   */
  ontransport(_transport, _why, _fellBack) {}

  /**
   * Called when the connection is gone.
   *
   * @param {string} _reason the server's error code, or `lost`, `hidden` (nobody sees the page), `removed` (from the
   *   page) or `changed` (an attribute names another stream, server or transport)
   */
  ondisconnect(_reason) {}

  // State

  /** The painter. Its `options` may be changed; its `repaint` shows that at once. */
  get painter() {
    this.#painter ??= new Painter(this.#canvas());
    return this.#painter;
  }

  /** The present status. @returns {Status} */
  get status() {
    return this.#session?.status ?? { ...atRest(), state: stateOf(atRest()) };
  }

  /** Pictures per second, latency and inference time, smoothed. */
  get figures() {
    return this.#session?.figures ?? new LiveFigures();
  }

  /** Number of pictures that were received, but passed over for a newer one. */
  get skipped() {
    return this.#session?.skipped ?? 0;
  }

  /** Number of the video's pictures that no result came for. */
  get unmatched() {
    return this.#session?.unmatched ?? 0;
  }

  /** Connect now instead of waiting for the next try. */
  retryNow() {
    this.#session?.retryNow();
  }

  // Life cycle

  connectedCallback() {
    this.#attached = true;
    this.#begin();
  }

  disconnectedCallback() {
    this.#attached = false;
    this.#end("removed");
  }

  /** @param {string} name @param {string | null} before @param {string | null} after */
  attributeChangedCallback(name, before, after) {
    if (!this.#attached || before === after) return;
    if (name === "mode" || name === "opacity") {
      this.#look();
      return;
    }
    if (name === "zones") {
      void this.#lay();
      return;
    }
    this.#end("changed");
    this.#begin();
  }

  get #server() {
    return new URL(this.getAttribute("src") || HOME || location.origin, location.origin);
  }

  /** Without what no token has, and no header may have. */
  get #token() {
    return (this.getAttribute("token") ?? "").replace(/[^\w-]/g, "");
  }

  #begin() {
    const stream = this.getAttribute("stream");
    if (!stream) return;
    this.#look();
    const server = this.#server;
    const transport = this.getAttribute("transport");
    const choice = choose({ hostname: server.hostname, search: transport ? `?transport=${transport}` : "" });
    this.#session = new ViewerSession(
      stream,
      {
        draw: (meta, picture) => this.#draw(meta, picture),
        onconnect: () => {
          this.#zones?.forget();
          this.onconnect();
        },
        onframe: (frame) => this.onframe(frame),
        onstill: (message, shown) => {
          this.#painter?.renew(message);
          this.onstill(message, shown);
        },
        onstatus: (status) => {
          const words = SightlineViewer.words?.(status, stream, server.origin) ?? "";
          if (this.#words.textContent !== words) this.#words.textContent = words;
          this.onstatus(status);
        },
        ontransport: (...told) => this.ontransport(...told),
        ondisconnect: (reason) => this.ondisconnect(reason),
      },
      this.#root,
      { server: server.origin, choice, token: this.#token },
    );
    this.#session.begin();
    void this.#lay();
  }

  /** @param {string} reason see `ondisconnect` */
  #end(reason) {
    const session = this.#session;
    this.#session = null;
    this.#model = "";
    this.#zones?.end();
    this.#zones = null;
    this.#painter?.clear();
    session?.end(reason);
  }

  /** @type {import("../webrtc/viewer.js").Show} */
  #draw(meta, picture) {
    if (meta.model !== this.#model) {
      this.#model = meta.model;
      this.onmodel(meta.model);
    }
    this.painter.show(picture);
  }

  #canvas() {
    const given = this.querySelector("canvas");
    if (given) return given;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", t`Live picture of “${this.getAttribute("stream")}” with what the model sees`);
    this.#root.append(canvas);
    return canvas;
  }

  /** Lay zones and lines over the pictures, with the attribute `zones`. */
  async #lay() {
    const session = this.#session;
    this.#zones?.end();
    this.#zones = null;
    if (!session || !this.hasAttribute("zones")) return;
    const { ZoneLayer } = await import("../draw/zone-layer.js");
    if (this.#session !== session || this.#zones || !this.hasAttribute("zones")) return;
    const stream = this.getAttribute("stream") ?? "";
    this.#zones = new ZoneLayer(this.painter, stream, this.#server.origin, this.#token);
    this.painter.repaint();
  }

  /** Draw as the attributes say. Without attributes the painter's options stay. */
  #look() {
    if (!this.hasAttribute("mode") && !this.hasAttribute("opacity")) return;
    const mode = this.getAttribute("mode") ?? AUTO;
    const own = modeNamed(mode)?.opacity ?? AUTO_OPACITY;
    const given = Number.parseFloat(this.getAttribute("opacity") ?? "");
    const opacity = Number.isFinite(given) ? Math.min(1, Math.max(0, given)) : own;
    Object.assign(this.painter.options, { mode, opacity });
    this.painter.repaint();
  }
}

customElements.define("sightline-viewer", SightlineViewer);
