/** Choices of a person that this browser keeps from one visit to the next. */

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
