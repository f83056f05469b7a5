/** Saves a file on the person's machine. */

import { make } from "../lib/dom.js";

/** @param {string} name @param {string} type @param {string} text */
export function download(name, type, text) {
  saveBlob(name, new Blob([text], { type }));
}

/** @param {string} name @param {Blob} blob */
export function saveBlob(name, blob) {
  const link = make("a", { download: name, href: URL.createObjectURL(blob) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
