/** Changes that the server makes only where nobody else was faster. */

/** What the server answers where somebody was. */
export const CHANGED = 412;

/** Headers of such a change. @param {string} version of what it began with; "" where there was nothing @returns {Record<string, string>} */
export function unlessChanged(version) {
  return version ? { "If-Match": `"${version}"` } : { "If-None-Match": "*" };
}
