/**
 * Runs a model on the page's pictures, one at a time, and encodes those that are to be sent.
 *
 * @typedef {import("./input.js").PortableModel} PortableModel
 * @typedef {import("../lib/encoder.js").Limits} Limits
 * @typedef {{type: "load", model: PortableModel, backend: "auto" | "wasm"}
 *   | {type: "picture", bitmap: ImageBitmap, timestamp: number, limits: Limits, send: boolean}} ToInference
 * @typedef {import("./words.js").Inferred} Inferred
 * @typedef {Inferred
 *   | {type: "ready", device: import("./runtime.js").Device}
 *   | {type: "failed", message: string}} FromInference
 */

import { wallClock } from "../lib/clock.js";
import { Encoder } from "../lib/encoder.js";
import { encodeMask } from "../lib/png.js";
import { Runtime } from "./runtime.js";
import { SteadyEdges } from "./steady.js";
import { describe } from "./words.js";

const worker = /** @type {{postMessage: (message: FromInference, transfer?: Transferable[]) => void,
  onmessage: ((event: MessageEvent<ToInference>) => void) | null}} */ (/** @type {unknown} */ (self));
const encoder = new Encoder();
/** @type {PortableModel | null} */
let model = null;
/** @type {Runtime | null} */
let runtime = null;
let steady = new SteadyEdges();

worker.onmessage = ({ data }) => {
  const done = data.type === "load" ? load(data.model, data.backend) : infer(data);
  done.catch((error) => worker.postMessage({ type: "failed", message: String(error?.message ?? error).slice(0, 300) }));
};

/** @param {PortableModel} wanted @param {"auto" | "wasm"} backend */
async function load(wanted, backend) {
  const answer = await fetch(wanted.file);
  if (!answer.ok) throw new Error(`the model's file could not be fetched (${answer.status})`);
  const file = new Uint8Array(await answer.arrayBuffer());
  runtime = await Runtime.open(wanted, file, backend);
  model = wanted;
  steady = new SteadyEdges();
  worker.postMessage({ type: "ready", device: runtime.device });
}

/** @param {ToInference & {type: "picture"}} picture */
async function infer({ bitmap: source, timestamp, limits, send }) {
  if (!runtime || !model) throw new Error("no model is loaded");
  const encoding = send ? encoder.encode(source, limits) : null;
  const size = encoding ? null : encoder.draw(source, limits);
  const shown = encoding ? null : encoder.bitmap;
  source.close();
  const { rows, mask, stages } = await runtime.find(encoder.pixels);
  const at = performance.now();
  const png = mask && send ? (await encodeMask(mask)).buffer : null;
  const encode = performance.now() - at;
  const taken = await encoding;
  const bitmap = taken?.bitmap ?? (await /** @type {Promise<ImageBitmap>} */ (shown));
  const { width, height } = taken ?? /** @type {{width: number, height: number}} */ (size);
  const jpeg = taken?.jpeg ?? null;
  const processing_time_ms = Math.max(0, wallClock() - timestamp); // all but the network's share
  worker.postMessage(
    {
      type: "found",
      ...{ timestamp, bitmap, jpeg, width, height, png, processing_time_ms },
      mask: steady.show(mask, timestamp / 1000), // what the server gets, it steadies itself
      findings: describe(rows, mask, model),
      stages: { ...stages, encode },
    },
    [bitmap, ...(jpeg ? [jpeg] : []), ...(png ? [png] : [])],
  );
}
