/** Writes a mask as an 8-bit greyscale PNG, as the server does. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let k = 0; k < 8; k += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (TABLE[(crc ^ byte) & 255] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * @typedef {{width: number, height: number, values: Uint8Array}} Grey
 * @param {Grey & {alpha?: Grey | null}} mask whose alpha goes with it in 64 levels, as a PNG in a chunk that others skip
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function encodeMask({ width, height, values, alpha }) {
  const lines = new Uint8Array((width + 1) * height); // each line begins with its filter: 0 is none
  for (let y = 0; y < height; y += 1) lines.set(values.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header[8] = 8; // bits of a pixel; then 0 for greyscale, deflate, the standard filters, and no interlacing
  const parts = [
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", header),
    chunk("IDAT", new Uint8Array(await new Response(packed).arrayBuffer())),
    ...(alpha ? [chunk("alPH", await encodeMask({ ...alpha, values: alpha.values.map(level) }))] : []),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** @param {number} value */
function level(value) {
  return Math.round((Math.round((value * 63) / 255) * 255) / 63);
}

/** @param {string} name @param {Uint8Array} data */
function chunk(name, data) {
  const out = new Uint8Array(data.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(new TextEncoder().encode(name), 4);
  out.set(data, 8);
  view.setUint32(data.length + 8, crc32(out.subarray(4, data.length + 8)));
  return out;
}
