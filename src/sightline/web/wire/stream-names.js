/** What people call streams. */

import { askApi } from "./events.js";

/** @type {Map<string, string>} */
let known = new Map();

/** Ask the server. @returns {Promise<string[]>} the streams that are there now */
export async function learnNames() {
  const { body } = await /** @type {typeof askApi<{streams: {name: string, display_name: string}[]}>} */ (askApi)("/api/streams");
  if (body) known = new Map(body.streams.map((one) => [one.name, one.display_name || one.name]));
  return [...known.keys()];
}

/** Its own name where nobody gave it one, or as long as nobody knows. @param {string} stream */
export function nameOf(stream) {
  return known.get(stream) ?? stream;
}
