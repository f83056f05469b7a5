/** Saves a text as a file on the person's machine. */

import { make } from "../lib/dom.js";

/** @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
  const link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
