/**
 * Types of a model's findings and of the picture that they belong to.
 *
 * @typedef {{class_id: number, class_name: string, confidence: number, xyxy: [number, number, number, number],
 *   tracker_id?: number}} Detection
 * @typedef {{class_id: number, class_name: string, share: number}} Segment
 * @typedef {{detections: Detection[], segments?: Segment[], mask_bytes?: number,
 *   mask_kind?: string, extras?: Record<string, object>, reused?: boolean, browser?: string,
 *   rtp_timestamp?: number}} Findings what a model said of one picture
 * @typedef {{
 *   image: ImageBitmap,
 *   width: number,
 *   height: number,
 *   findings: Findings | null,
 *   mask: import("./mask.js").Mask | null,
 *   bytes?: Uint8Array<ArrayBuffer>,
 * }} Picture `width` and `height` are those that boxes are given in; without findings it was drawn by the server;
 *   `bytes`: what it was decoded from, if it came by itself
 */

/**
 * Contents of a picture: one entry per class, most frequent (or largest) first.
 *
 * @param {Findings} findings
 * @returns {{class_id: number, name: string, count: number, share: number}[]} `share` is 0 for detections
 */
export function summary(findings) {
  if (findings.segments) {
    return findings.segments
      .filter((s) => !isBackground(s))
      .map((s) => ({ class_id: s.class_id, name: s.class_name, count: 0, share: s.share }));
  }
  /** @type {Map<number, {class_id: number, name: string, count: number, share: number}>} */
  const classes = new Map();
  for (const { class_id, class_name } of findings.detections) {
    const entry = classes.get(class_id);
    if (entry) entry.count += 1;
    else classes.set(class_id, { class_id, name: class_name, count: 1, share: 0 });
  }
  return [...classes.values()].sort((a, b) => b.count - a.count || a.class_id - b.class_id);
}

/**
 * Distinct objects so far by class, most first, as the server's tracks count them; none where nothing is tracked.
 *
 * @param {Findings} findings
 * @returns {[string, number][]}
 */
export function seen({ extras }) {
  const tracks = /** @type {{seen?: Record<string, number>} | undefined} */ (extras?.["tracks"]);
  return Object.entries(tracks?.seen ?? {}).sort((a, b) => b[1] - a[1]);
}

/**
 * True for the class that stands for "nothing". The server's renderer has the same rule.
 *
 * @param {{class_id: number, class_name: string}} segment
 */
export function isBackground(segment) {
  return segment.class_id === 0 && segment.class_name === "background";
}
