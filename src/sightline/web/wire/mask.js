/** Masks come as greyscale PNGs whose values are instance numbers or class ids. */

/**
 * @typedef {{width: number, height: number, values: Uint8Array}} Mask covers the whole picture, at its own size
 */

/**
 * Read the values of a mask, unchanged.
 *
 * @param {Uint8Array<ArrayBuffer>} png
 * @returns {Promise<Mask>}
 */
export async function readMask(png) {
  const blob = new Blob([png], { type: "image/png" });
  // Values are numbers, not colours: nothing may convert them.
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const canvas = document.createElement("canvas");
  const { width, height } = Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no 2d context");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i += 1) values[i] = data[4 * i] ?? 0;
  return { width, height, values };
}
