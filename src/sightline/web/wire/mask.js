/** Masks come as greyscale PNGs whose values are instance numbers or class ids. */

/**
 * @typedef {{width: number, height: number, values: Uint8Array, alpha?: Mask | null}} Mask covers the whole picture, at
 *   its own size; `alpha`: of two classes, to what share of 255 a pixel is of class 1, soft along edges, at a size of
 *   its own
 */

/** Name of the PNG's chunk with the alpha, itself a PNG: alPH. */
const ALPHA = 0x616c5048;
const HEADER = 33;

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
  const alpha = alphaIn(png);
  return { width, height, values, alpha: alpha && (await readMask(alpha)) };
}

/** @param {Uint8Array<ArrayBuffer>} png */
function alphaIn(png) {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  for (let at = HEADER; at + 12 <= png.length; at += 12 + view.getUint32(at)) {
    if (view.getUint32(at + 4) === ALPHA) return png.subarray(at + 8, at + 8 + view.getUint32(at));
  }
  return null;
}
