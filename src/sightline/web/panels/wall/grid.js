/** How many pictures a screen has room for, and how they lie. Pure, so that it can be tested. */

/** Pixels across below which a picture tells little from a few metres away. */
const LEAST = 380;
/** Pictures on a screen, at most: their share of the server's pictures a second gets small. */
const MOST = 36;
const SHAPE = 16 / 9;

/**
 * The columns with which the pictures are largest.
 *
 * @param {number} count of pictures @param {number} width @param {number} height of the screen
 * @returns {{columns: number, rows: number, across: number}} `across`: width of a picture
 */
export function grid(count, width, height) {
  let best = { columns: 1, rows: count, across: 0 };
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns);
    const across = Math.min(width / columns, (height / rows) * SHAPE);
    if (across > best.across) best = { columns, rows, across };
  }
  return best;
}

/**
 * The streams by screen: as few screens as have room for all, with about as many on each.
 *
 * @template T
 * @param {T[]} streams @param {number} width @param {number} height of the screen
 * @returns {T[][]}
 */
export function screens(streams, width, height) {
  let room = 1;
  while (room < MOST && grid(room + 1, width, height).across >= Math.min(LEAST, width)) room += 1;
  const count = Math.ceil(streams.length / room);
  const each = Math.ceil(streams.length / Math.max(1, count));
  return Array.from({ length: count }, (_, i) => streams.slice(i * each, (i + 1) * each));
}
