/**
 * Turns a picture's pixels into a model's input, as `models/_input.py` and `models/_boxes.py` do. Pure.
 *
 * @typedef {{
 *   name: string, family: string, task: string, labels: string[], input: string, dtype: string,
 *   channels_last: boolean, width: number, height: number, fit: string, order: string, scale: number,
 *   mean: [number, number, number], std: [number, number, number], decode: string,
 *   details: Record<string, string | number | null>, confidence: number, iou: number, max_detections: number, shown: number[] | null,
 *   file: string, size_bytes: number,
 * }} PortableModel as `/api/streams/NAME/in-browser` gives it
 * @typedef {{width: number, height: number, data: Uint8ClampedArray}} Pixels R, G, B, A
 * @typedef {{width: number, height: number, left: number, top: number, innerWidth: number, innerHeight: number}}
 *   Geometry where a picture of `width` x `height` lies in the input
 */

const PAD = 114;
const ONE = 2048; // the weights' unit: whole numbers, as in OpenCV

/** Round as Python does: halves go to the even neighbour. @param {number} x */
export function round(x) {
  const low = Math.floor(x);
  if (x - low !== 0.5) return Math.round(x);
  return low % 2 ? low + 1 : low;
}

/**
 * @param {string} fit @param {number} width @param {number} height of the picture
 * @param {number} inputWidth @param {number} inputHeight
 * @returns {Geometry}
 */
export function geometryOf(fit, width, height, inputWidth, inputHeight) {
  if (fit === "stretch") return { width, height, left: 0, top: 0, innerWidth: inputWidth, innerHeight: inputHeight };
  const scale = Math.min(inputWidth / width, inputHeight / height);
  const innerWidth = Math.min(inputWidth, Math.max(1, round(width * scale)));
  const innerHeight = Math.min(inputHeight, Math.max(1, round(height * scale)));
  const centre = fit === "centre";
  const left = centre ? Math.floor((inputWidth - innerWidth) / 2) : 0;
  const top = centre ? Math.floor((inputHeight - innerHeight) / 2) : 0;
  return { width, height, left, top, innerWidth, innerHeight };
}

/**
 * Factor by which a picture may be decoded smaller, as the server does.
 *
 * @param {number} longer @param {number} least
 */
export function reduction(longer, least) {
  return [8, 4, 2].find((factor) => Math.ceil(longer / factor) >= least) ?? 1;
}

export class Input {
  /**
   * The model's input, 1 x 3 x height x width or 1 x height x width x 3. One buffer serves all pictures.
   *
   * @type {Uint8Array | Uint16Array | Float32Array}
   */
  tensor;
  #model;
  #tables;
  #channels;
  #placed = "";

  /** @param {PortableModel} model */
  constructor(model) {
    this.#model = model;
    this.#channels = model.order === "rgb" ? [0, 1, 2] : [2, 1, 0];
    this.#tables = [0, 1, 2].map((plane) => table(model, plane));
    const Kind = KINDS[model.dtype];
    if (!Kind) throw new Error(`input of type ${model.dtype}: expected ${Object.keys(KINDS).join(", ")}`);
    this.tensor = new Kind(3 * model.width * model.height);
  }

  /** Put a picture into the tensor. @param {Pixels} pixels @returns {Geometry} */
  place(pixels) {
    const { width, height, fit } = this.#model;
    const factor = reduction(Math.max(pixels.width, pixels.height), Math.max(width, height));
    const small = factor === 1 ? pixels : shrunk(pixels, factor);
    const geometry = geometryOf(fit, small.width, small.height, width, height);
    const key = JSON.stringify(geometry);
    if (key !== this.#placed) {
      const { plane, pixel } = this.#strides;
      this.#tables.forEach((values, channel) => {
        for (let i = 0; i < width * height; i += 1) this.tensor[channel * plane + i * pixel] = values[PAD] ?? 0;
      });
      this.#placed = key;
    }
    this.#scale(small, geometry);
    return { ...geometry, width: pixels.width, height: pixels.height };
  }

  /**
   * Scale bilinearly with aligned pixel centres, like OpenCV's INTER_LINEAR.
   *
   * @param {Pixels} from @param {Geometry} to
   */
  #scale({ data, width, height }, { left, top, innerWidth, innerHeight }) {
    const { plane: between, pixel } = this.#strides;
    const across = axis(width, innerWidth);
    const down = axis(height, innerHeight);
    const { tensor } = this;
    for (let plane = 0; plane < 3; plane += 1) {
      const values = /** @type {Float32Array} */ (this.#tables[plane]);
      const channel = /** @type {number} */ (this.#channels[plane]);
      for (let y = 0; y < innerHeight; y += 1) {
        const row0 = /** @type {number} */ (down.first[y]) * width * 4 + channel;
        const row1 = /** @type {number} */ (down.second[y]) * width * 4 + channel;
        const weight1 = /** @type {number} */ (down.weight[y]);
        const weight0 = ONE - weight1;
        let target = plane * between + ((top + y) * this.#model.width + left) * pixel;
        for (let x = 0; x < innerWidth; x += 1) {
          const a = /** @type {number} */ (across.first[x]) * 4;
          const b = /** @type {number} */ (across.second[x]) * 4;
          const right = /** @type {number} */ (across.weight[x]);
          const upper =
            /** @type {number} */ (data[row0 + a]) * (ONE - right) + /** @type {number} */ (data[row0 + b]) * right;
          const lower =
            /** @type {number} */ (data[row1 + a]) * (ONE - right) + /** @type {number} */ (data[row1 + b]) * right;
          tensor[target] = /** @type {number} */ (values[(upper * weight0 + lower * weight1 + (1 << 21)) >> 22]);
          target += pixel;
        }
      }
    }
  }

  /** Distances between two planes and between two pixels, in numbers. */
  get #strides() {
    const { channels_last, width, height } = this.#model;
    return channels_last ? { plane: 1, pixel: 3 } : { plane: width * height, pixel: 1 };
  }

  get dims() {
    const { channels_last, width, height } = this.#model;
    return channels_last ? [1, height, width, 3] : [1, 3, height, width];
  }
}

/** @type {Record<string, typeof Uint8Array | typeof Uint16Array | typeof Float32Array>} */
const KINDS = { uint8: Uint8Array, float16: Uint16Array, float32: Float32Array };

/** Input values of the 256 levels in one plane. @param {PortableModel} model @param {number} plane */
function table(model, plane) {
  const { dtype, scale, mean, std } = model;
  const scaled = Array.from({ length: 256 }, (_, level) => (level * scale - (mean[plane] ?? 0)) / (std[plane] ?? 1));
  if (dtype === "uint8") return Uint8Array.from({ length: 256 }, (_, level) => level); // the graph scales
  return dtype === "float16" ? Uint16Array.from(scaled, toHalf) : Float32Array.from(scaled);
}

/**
 * For each pixel of an axis, its two neighbours and the weight of the second.
 *
 * @param {number} from @param {number} to
 */
function axis(from, to) {
  const first = new Int32Array(to);
  const second = new Int32Array(to);
  const weight = new Int32Array(to);
  for (let i = 0; i < to; i += 1) {
    const at = ((i + 0.5) * from) / to - 0.5;
    const low = Math.floor(at);
    first[i] = Math.min(Math.max(low, 0), from - 1);
    second[i] = Math.min(Math.max(low + 1, 0), from - 1);
    weight[i] = Math.round((at - low) * ONE);
  }
  return { first, second, weight };
}

/**
 * Reduce a picture to the means of squares of `factor` pixels, as a JPEG decoded at reduced size has them.
 *
 * @param {Pixels} pixels @param {number} factor
 */
function shrunk({ data, width, height }, factor) {
  const small = { width: Math.ceil(width / factor), height: Math.ceil(height / factor) };
  const out = new Uint8ClampedArray(small.width * small.height * 4);
  for (let y = 0; y < small.height; y += 1) {
    const bottom = Math.min(height, (y + 1) * factor);
    for (let x = 0; x < small.width; x += 1) {
      const end = Math.min(width, (x + 1) * factor);
      let [r, g, b, n] = [0, 0, 0, 0];
      for (let v = y * factor; v < bottom; v += 1) {
        for (let at = (v * width + x * factor) * 4; at < (v * width + end) * 4; at += 4) {
          r += data[at] ?? 0;
          g += data[at + 1] ?? 0;
          b += data[at + 2] ?? 0;
          n += 1;
        }
      }
      const target = (y * small.width + x) * 4;
      out[target] = r / n;
      out[target + 1] = g / n;
      out[target + 2] = b / n;
    }
  }
  return { ...small, data: out };
}

const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

/** The 16 bits of a number as a half float. Ties round to even. @param {number} value */
export function toHalf(value) {
  FLOAT[0] = value;
  const bits = BITS[0] ?? 0;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00 | ((bits & 0x7fffffff) > 0x7f800000 ? 0x200 : 0);
  if (exponent <= 0) return sign | round(Math.abs(value) * 2 ** 24);
  return sign + (exponent << 10) + round(fraction / 8192); // a carry rightly goes up into the exponent
}

/** @param {number} half 16 bits */
export function fromHalf(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}
