/** Which streams there are, and what is recorded of them. */

import { Newest } from "../../lib/newest.js";
import { askApi } from "../../wire/events.js";
import { askOverview } from "../../wire/recordings.js";

export class Streams {
  /** What is recorded; null before the first answer. @type {import("../../wire/recordings.js").Overview | null} */
  overview = null;
  /** Why nothing is known. @type {import("../../wire/events.js").Refused | null} */
  refused = null;
  /** @type {Map<string, {name: string, state: string}>} */
  #now = new Map();
  #newest = new Newest();

  /** Ask the server. */
  async ask() {
    const asked = this.#newest.ask();
    const [recorded, now] = await Promise.all([
      askOverview(),
      /** @type {typeof askApi<{streams: {name: string, display_name: string, state: string}[]}>} */ (askApi)("/api/streams"),
    ]);
    if (!this.#newest.takes(asked)) return;
    this.refused = recorded.refused ?? now.refused;
    if (recorded.body) this.overview = recorded.body;
    if (now.body) this.#now = new Map(now.body.streams.map((one) => [one.name, { name: one.display_name || one.name, state: one.state }]));
  }

  /** Those that are there now. */
  get now() {
    return [...this.#now.keys()];
  }

  /** Those of which something is recorded, or is to be. */
  get recorded() {
    return Object.entries(this.overview?.streams ?? {}).filter(([, one]) => one.last_at !== null || one.mode !== "off").map(([name]) => name);
  }

  /** @param {string} stream */
  of(stream) {
    return this.overview?.streams[stream];
  }

  /** @param {string} stream */
  isLive(stream) {
    return this.#now.get(stream)?.state === "live";
  }

  /** What people call it. @param {string} stream */
  nameOf(stream) {
    return this.#now.get(stream)?.name ?? stream;
  }
}
