/** Fixed colours of classes. `tests/golden/palette.json` holds this file and `palette.py` to the same numbers. */

/** @typedef {readonly [number, number, number]} Rgb red, green, blue, 0 to 255 */

const HAND_PICKED = [
  ...["22d3ee", "ff9f1c", "3ddc57", "ff4f6d", "b388ff", "ffe14a", "ff5ecb", "4f83ff"],
  ...["a3e635", "ff7043", "1de9b6", "d500f9", "c9a26b", "ff1744", "00a86b", "7c4dff"],
  ...["ffc400", "9be1ff", "c51162", "0097a7", "f8c8dc", "9e9d24", "2962ff", "e8e8e8"],
];

const HIGH = [255, 215, 240];
const LOW = [40, 110, 75];

/** The colour of a class. @param {number} classId @returns {Rgb} */
export function color(classId) {
  const hex = HAND_PICKED[classId];
  return hex === undefined ? further(classId) : rgbOf(hex);
}

/** @param {string} hex such as #33aaff, also without # @returns {Rgb} */
export function rgbOf(hex) {
  const value = Number.parseInt(hex.replace("#", ""), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Black or white, whichever is easier to read on a class's colour. @param {number} classId @returns {Rgb} */
export function textColor(classId) {
  return textOn(color(classId));
}

/** Black or white, whichever is easier to read on a colour. @param {Rgb} rgb @returns {Rgb} */
export function textOn([r, g, b]) {
  const luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  return (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) ? [0, 0, 0] : [255, 255, 255];
}

/**
 * A colour beyond the hand-picked ones: around the colour wheel in whole numbers, as in Python.
 *
 * @param {number} classId
 * @returns {Rgb}
 */
function further(classId) {
  const hue = (classId * 137) % 360;
  const high = HIGH[classId % 3] ?? 255;
  const low = LOW[Math.floor(classId / 3) % 3] ?? 40;
  const up = low + Math.floor(((high - low) * (hue % 60)) / 60);
  const down = low + high - up;
  /** @type {Rgb[]} */
  const wheel = [
    [high, up, low],
    [down, high, low],
    [low, high, up],
    [low, down, high],
    [up, low, high],
    [high, low, down],
  ];
  return wheel[Math.floor(hue / 60)] ?? [high, high, high];
}

/** @param {number} channel 0 to 255 */
function linear(channel) {
  const share = channel / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}
