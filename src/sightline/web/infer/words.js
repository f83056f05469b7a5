/** Describes findings as `describe.py` does. Pure. */

/**
 * @typedef {{
 *   type: "found", timestamp: number, bitmap: ImageBitmap, jpeg: ArrayBuffer | null, width: number, height: number,
 *   findings: import("../wire/findings.js").Findings, mask: import("../wire/mask.js").Mask | null, png: ArrayBuffer | null,
 *   stages: Record<string, number>, processing_time_ms: number,
 * }} Inferred `jpeg` is null where the picture is not to be sent
 */

const NOTHING = 255;

/**
 * @param {import("./decode.js").Row[]} rows
 * @param {import("../wire/mask.js").Mask | null} mask of classes
 * @param {import("./input.js").PortableModel} model
 * @returns {import("../wire/findings.js").Findings}
 */
export function describe(rows, mask, model) {
  const label = (/** @type {number} */ id) => model.labels[id] ?? `class ${id}`;
  const detections = rows.map(({ class_id, confidence, xyxy }) => ({
    class_id,
    class_name: label(class_id),
    confidence: Math.round(confidence * 1e4) / 1e4,
    xyxy: /** @type {[number, number, number, number]} */ (xyxy.map((value) => Math.round(value * 10) / 10)),
  }));
  if (!mask) return { detections };
  const counts = new Uint32Array(256);
  for (const value of mask.values) counts[value] = (counts[value] ?? 0) + 1;
  const segments = [...counts]
    .map((n, class_id) => ({ n, class_id }))
    .filter(({ n }) => n)
    .sort((a, b) => b.n - a.n || a.class_id - b.class_id)
    .map(({ n, class_id }) => ({
      class_id,
      class_name: label(class_id),
      share: Math.round((n / mask.values.length) * 1e4) / 1e4,
    }));
  return { detections, segments, mask_kind: "classes" };
}

/**
 * Leave the classes that the stream's settings ask for. The server gets all, and leaves out the same.
 *
 * @param {import("../wire/findings.js").Findings} findings @param {import("../wire/mask.js").Mask | null} mask of classes
 * @param {readonly number[] | null} shown null for all
 */
export function only(findings, mask, shown) {
  if (!shown) return { findings, mask };
  const wanted = new Set(shown);
  const of = (/** @type {{class_id: number}} */ { class_id }) => wanted.has(class_id);
  const { detections, segments } = findings;
  const values = mask?.values.map((value) => (wanted.has(value) ? value : NOTHING));
  return {
    findings: {
      ...findings,
      detections: detections.filter(of),
      ...(segments ? { segments: segments.filter(of) } : {}),
    },
    mask: mask && values ? { ...mask, values, alpha: wanted.has(1) ? mask.alpha : null } : mask,
  };
}

/**
 * Findings as a result message of the server, reduced to the classes that are shown.
 *
 * @param {Inferred} found @param {import("./input.js").PortableModel} model
 * @param {{stream: string, frameNumber: number, browser: string}} about `browser`: what runs the model, in words
 * @returns {{result: import("../wire/messages.js").ResultMessage, mask: import("../wire/mask.js").Mask | null}}
 */
export function resultOf(found, model, about) {
  const { width, height, timestamp, processing_time_ms, stages } = found;
  const { findings, mask } = only(found.findings, found.mask, model.shown);
  const said = { model: model.name, width, height, timestamp, processing_time_ms, stages };
  return { result: { type: "result", ...findings, ...about, ...said }, mask };
}

/** A device in the server's words. @param {import("./runtime.js").Device} device */
export function deviceInWords({ backend, threads }) {
  return backend === "webgpu" ? "webgpu" : `wasm, ${threads} thread${threads > 1 ? "s" : ""}`;
}
