/** Small pictures of many streams over one connection, with everything drawn in. It draws nothing itself. */

import { LiveSocket } from "./socket.js";

/** Streams of one connection, at most: see `docs/protocol.md`. */
const MOST = 128;

export class TileFeed {
  #socket;
  #handlers;
  #asked = "";
  /** @type {{type: "tiles", streams: string[], width: number}} */
  #wish = { type: "tiles", streams: [], width: 0 };
  /** @type {import("./messages.js").TilesMessage | null} */
  #announced = null;

  /**
   * @param {{
   *   onpicture: (stream: string, picture: ImageBitmap) => void,
   *   onphase?: (phase: import("./socket.js").Phase) => void,
   * }} handlers `onpicture` owns the picture from then on
   * @param {string} hub address of the hub whose streams are meant; empty where there is one server only
   */
  constructor(handlers, hub = "") {
    this.#handlers = handlers;
    this.#socket = new LiveSocket(hub ? `/ws/tiles?hub=${encodeURIComponent(hub)}` : "/ws/tiles", {
      onphase: (phase) => {
        this.#asked = ""; // another connection knows nothing
        if (phase === "open") this.#tell();
        this.#handlers.onphase?.(phase);
      },
      onmessage: (message) => {
        if (message.type === "tiles") this.#announced = message;
      },
      onbinary: (data) => void this.#take(data),
    });
  }

  /** The server's refusal of the last try, or null. */
  get refused() {
    return this.#socket.refused;
  }

  /**
   * Have pictures of these streams from now on, and of no others. Without any there is no connection.
   *
   * @param {string[]} streams @param {number} width pixels of the longer side that are enough
   */
  choose(streams, width) {
    this.#wish = { type: "tiles", streams: streams.slice(0, MOST), width: Math.round(Math.min(1280, Math.max(64, width))) };
    if (!streams.length) this.#socket.close();
    else if (this.#socket.phase === "open") this.#tell();
    else if (!this.#socket.refused) this.#socket.open();
  }

  #tell() {
    const asked = JSON.stringify(this.#wish);
    if (asked === this.#asked) return;
    this.#asked = asked;
    this.#socket.send(this.#wish);
  }

  /** @param {ArrayBuffer} data */
  async #take(data) {
    const announced = this.#announced;
    this.#announced = null;
    if (!announced) return;
    this.#socket.healthy();
    let at = 0;
    const pictures = announced.tiles.map(({ stream, jpeg_bytes }) => {
      const jpeg = new Blob([new Uint8Array(data, at, jpeg_bytes)], { type: "image/jpeg" });
      at += jpeg_bytes;
      return createImageBitmap(jpeg).then((picture) => this.#handlers.onpicture(stream, picture));
    });
    await Promise.allSettled(pictures);
    this.#socket.send({ type: "ack", frameNumber: announced.frameNumber });
  }
}

/** Small pictures of the streams of all hubs: a connection for each hub that has some of them. */
export class TileFeeds {
  #handlers;
  /** @type {Map<string, TileFeed>} */
  #feeds = new Map();

  /**
   * @param {{
   *   onpicture: (stream: string, picture: ImageBitmap) => void,
   *   onphase?: (phase: import("./socket.js").Phase, hub: string) => void,
   * }} handlers `onpicture` owns the picture from then on
   */
  constructor(handlers) {
    this.#handlers = handlers;
  }

  /** Have pictures of these streams from now on: see `TileFeed`. @param {{name: string, hub?: string}[]} streams @param {number} width */
  choose(streams, width) {
    /** @type {Map<string, string[]>} */
    const byHub = new Map([...this.#feeds.keys()].map((hub) => [hub, []]));
    for (const { name, hub = "" } of streams) byHub.set(hub, [...(byHub.get(hub) ?? []), name]);
    for (const [hub, names] of byHub) this.#of(hub).choose(names, width);
  }

  /** @param {string} hub */
  #of(hub) {
    const { onpicture, onphase } = this.#handlers;
    const feed = this.#feeds.get(hub) ?? new TileFeed({ onpicture, onphase: (phase) => onphase?.(phase, hub) }, hub);
    this.#feeds.set(hub, feed);
    return feed;
  }
}
