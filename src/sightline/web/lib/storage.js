/** Choices of a person that this browser keeps from one visit to the next. */

/** Choice: the picture fills its room. */
export const FILL = "fill";

/** The last choice. @param {string} key @param {string} otherwise where there is none */
export function remembered(key, otherwise) {
  try {
    return localStorage.getItem(`sightline.${key}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** Keep a choice. @param {string} key @param {string} value */
export function remember(key, value) {
  try {
    localStorage.setItem(`sightline.${key}`, value);
  } catch {
    // No storage: the choice holds as long as the page.
  }
}

/** Keep something for this tab alone. @param {string} key @param {string} value */
export function keepInTab(key, value) {
  try {
    sessionStorage.setItem(`sightline.${key}`, value);
  } catch {
    // No storage: a reload begins anew.
  }
}

/**
 * What this tab kept before it was reloaded; "" if it was not. A tab that was opened as a copy of another has the same
 * storage, and must not take what is the other's.
 *
 * @param {string} key
 */
export function keptOverReload(key) {
  try {
    const [arrival] = performance.getEntriesByType("navigation");
    if (/** @type {PerformanceNavigationTiming | undefined} */ (arrival)?.type !== "reload") return "";
    return sessionStorage.getItem(`sightline.${key}`) ?? "";
  } catch {
    return "";
  }
}
