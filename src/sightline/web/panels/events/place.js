/** The place on the page that somebody comes back to, kept with the address in the browser's history. */

const EVERY_MS = 250; // browsers take 200 changes in 10 s

/**
 * @typedef {{id: string, top: number}} Place a row, and how far below the window's upper edge it is
 * @typedef {{place?: Place | null, opened?: boolean}} Kept `opened`: the page before it is this one, with nothing open
 */

/** @returns {Kept} */
export function kept() {
  return history.state ?? {};
}

/**
 * Keep the place from now on. Returns a function that keeps it at once.
 *
 * @param {() => Place | null} place
 */
export function keepPlace(place) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let soon;
  const keep = () => {
    clearTimeout(soon);
    soon = undefined;
    history.replaceState({ ...kept(), place: scrollY > 0 ? place() : null }, "");
  };
  history.scrollRestoration = "manual"; // the rows have to be there first
  addEventListener("scroll", () => (soon ??= setTimeout(keep, EVERY_MS)), { passive: true });
  addEventListener("pagehide", keep);
  return keep;
}
