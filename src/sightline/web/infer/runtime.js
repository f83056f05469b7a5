/**
 * ONNX Runtime Web with one model. It takes WebGPU where that works, else WebAssembly with as many threads as allowed.
 *
 * @typedef {import("./input.js").PortableModel} PortableModel
 * @typedef {{backend: "wasm" | "webgpu", threads: number, why: string}} Device `why` tells the reason if it is not the best one
 * @typedef {{dims: readonly number[], data: any, type: string}} Tensor
 * @typedef {{run: (feeds: Record<string, unknown>) => Promise<Record<string, Tensor>>, release: () => Promise<void>}} Session
 * @typedef {{
 *   env: {wasm: {numThreads: number, wasmPaths: string}, logLevel: string},
 *   Tensor: new (type: string, data: unknown, dims: number[]) => unknown,
 *   InferenceSession: {create: (model: Uint8Array, options: object) => Promise<Session>},
 * }} Ort the little of ONNX Runtime Web that is used here
 */

import { t } from "../lib/i18n.js";
import { DECODERS, numbers } from "./decode.js";
import { Input } from "./input.js";

const VENDOR = new URL("../vendor/", import.meta.url);
const MOST_THREADS = 4;

export class Runtime {
  /** @type {Device} */
  device;
  #model;
  #input;
  #ort;
  #session;

  /** @param {PortableModel} model @param {Ort} ort @param {Session} session @param {Device} device */
  constructor(model, ort, session, device) {
    this.#model = model;
    this.#input = new Input(model);
    this.#ort = ort;
    this.#session = session;
    this.device = device;
  }

  /**
   * Load a model and warm it up.
   *
   * @param {PortableModel} model @param {Uint8Array} file @param {"auto" | "wasm"} backend
   * @returns {Promise<Runtime>}
   */
  static async open(model, file, backend) {
    if (!DECODERS[model.decode]) throw new Error(`this page can't read what ${model.family} models say`);
    let why = backend === "auto" ? await noWebGpu() : t`WebGPU was not asked for.`;
    if (!why && quantized(file)) why = t`The model computes in 8-bit integers, which WebGPU can't.`;
    if (!why) {
      try {
        return await Runtime.#warm(model, file, { backend: "webgpu", threads: 1, why: "" });
      } catch (error) {
        why = t`WebGPU failed: ${error instanceof Error ? error.message : error}`.slice(0, 200);
      }
    }
    const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
    return Runtime.#warm(model, file, { backend: "wasm", threads, why });
  }

  /** @param {PortableModel} model @param {Uint8Array} file @param {Device} device */
  static async #warm(model, file, device) {
    const name = device.backend === "webgpu" ? "ort.jspi.min.mjs" : "ort.wasm.min.mjs";
    const ort = /** @type {Ort} */ (await import(new URL(name, VENDOR).href));
    ort.env.logLevel = "error";
    ort.env.wasm.numThreads = device.threads;
    ort.env.wasm.wasmPaths = VENDOR.href;
    const options = { executionProviders: [device.backend], graphOptimizationLevel: "all", logSeverityLevel: 3 };
    const runtime = new Runtime(model, ort, await ort.InferenceSession.create(file, options), device);
    await runtime.find({ width: 2, height: 2, data: new Uint8ClampedArray(16) });
    return runtime;
  }

  /**
   * Run the model on a picture. Returns its findings, and milliseconds by stage.
   *
   * @param {import("./input.js").Pixels} pixels
   */
  async find(pixels) {
    const { input, dtype, decode } = this.#model;
    const started = performance.now();
    const geometry = this.#input.place(pixels);
    const placed = performance.now();
    const tensor = new this.#ort.Tensor(dtype, this.#input.tensor, this.#input.dims);
    const said = await this.#session.run({ [input]: tensor });
    const ran = performance.now();
    const outputs = Object.fromEntries(Object.entries(said).map(([name, output]) => [name, numbers(output)]));
    const found = /** @type {import("./decode.js").Decoder} */ (DECODERS[decode])(
      outputs,
      geometry,
      this.#model,
    );
    const stages = { preprocess: placed - started, infer: ran - placed, postprocess: performance.now() - ran };
    return { ...found, stages };
  }
}

/**
 * Whether an ONNX file makes its feature maps integers. WebGPU has no kernel for that and would leave it to the
 * processor, map by map. The field op_type is written as its number, the length and the name.
 *
 * @param {Uint8Array} file
 */
export function quantized(file) {
  return new TextDecoder("latin1").decode(file).includes("\x22\x0eQuantizeLinear");
}

/** Reason why WebGPU can't be used here; "" if it can. */
async function noWebGpu() {
  const gpu = /** @type {{gpu?: {requestAdapter: () => Promise<any>}}} */ (/** @type {unknown} */ (navigator)).gpu;
  if (!gpu) return t`This browser has no WebGPU.`;
  if (!("Suspending" in WebAssembly)) return t`This browser has WebGPU, but not the WebAssembly for it (JSPI).`;
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (!adapter) return t`This machine's graphics are not open to WebGPU.`;
  const fallback =
    adapter.info?.isFallbackAdapter || adapter.isFallbackAdapter || adapter.info?.architecture === "swiftshader";
  return fallback ? t`WebGPU would run without a graphics card.` : "";
}
