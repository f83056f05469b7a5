/** Statistics of one stream: its counts and its model's settings, fetched regularly while they matter. */

const EVERY_MS = 2_000;
const NOT_YET_MS = 250;
const GIVE_UP_MS = 5_000;
const GONE = 404;

/**
 * @typedef {{name: string, hub?: string, display_name: string, group: string, fixed: boolean, detect: boolean, state: "live" | "waiting" | "reconnecting" | "paused", reason: string, wanted: boolean,
 *   pulled: boolean, recording: boolean, model: string,
 *   width: number, height: number, fps: number, latency_ms: {p50: number, p95: number, p99: number}, viewers: number,
 *   received: number, delivered: number, dropped: Record<string, number>, failed: number, damaged: number, in_flight: number,
 *   browser: string, stages: Record<string, number>, adaptive: Adaptive | null}} StreamStats one entry of
 *   `GET /api/streams`
 * @typedef {{preset: string, fps: number, quality: number, width: number, imgsz: number | null,
 *   confidence: number | null, reason: string, reduced: boolean}} Adaptive what is asked of the camera and of its
 *   model, and why; `imgsz` and `confidence` are what the server changes by itself, null where somebody chose
 * @typedef {{model: string, engine: string, device: string, imgsz: number | null, confidence: number, iou: number,
 *   max_detections: number, classes: string[] | null,
 *   track?: boolean, track_lost_s?: number, track_confirm?: number}} InForce
 * @typedef {{class_id: number, class_name: string, count: number | null, share: number | null}} Seen
 * @typedef {{settings: InForce, pending: {model: string, engine: string, imgsz: number | null, since: number} | null,
 *   switch_failed: {model: string, message: string, at: number} | null, task: string, labels: string[],
 *   licence_note: string, imgsz_changeable: boolean, stride: number, seen: Seen[], model: string, browser: string,
 *   detect?: boolean, track?: boolean, track_lost_s?: number, track_confirm?: number,
 *   adaptive: Adaptive | null}} Detail of `GET /api/streams/NAME`
 * @typedef {StreamStats & Detail} Stats
 */

/**
 * Fetch a stream's statistics regularly from now on.
 *
 * @param {string} stream
 * @param {() => boolean} matters
 * @param {(stats: Stats | null, askedAt: number) => void} then gets null if there is no such stream
 * @param {() => number} every so many milliseconds
 * @param {AbortSignal} [over] ends it
 * @returns {() => void} fetches them now
 */
export function followStats(stream, matters, then, every = () => EVERY_MS, over = undefined) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const round = async () => {
    clearTimeout(timer);
    if (over?.aborted) return;
    timer = setTimeout(round, matters() ? every() : NOT_YET_MS); // whatever becomes of this request
    if (!matters() || document.hidden) return;
    const askedAt = performance.now();
    try {
      const signal = AbortSignal.timeout(GIVE_UP_MS);
      const response = await fetch(`/api/streams/${stream}`, { signal, cache: "no-store" });
      const stats = response.ok ? await response.json() : null;
      if ((stats || response.status === GONE) && !over?.aborted) then(stats, askedAt);
    } catch {
      // The connection's state tells the person already.
    }
  };
  void round();
  return () => void round();
}

/** Reasons of pictures that nobody wanted. */
const UNWANTED = new Set(["unwatched", "adapted"]);

/**
 * Pictures without the result that somebody wanted, by reason, failures among them; most frequent first.
 *
 * @param {StreamStats} stats
 */
export function lost(stats) {
  /** @type {[string, number][]} */
  const reasons = Object.entries(stats.dropped).filter(([reason]) => !UNWANTED.has(reason));
  if (stats.failed) reasons.push(["failed", stats.failed]);
  return reasons.filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
}
