/** Chooses a page's transport by a rule and by the page's address. Pure, so that it can be tested. */

/**
 * @typedef {"webrtc" | "websocket"} Transport
 * @typedef {{transport: Transport, forced: boolean}} Choice
 */

/**
 * True for a machine of the same network, judged by its name. There a WebSocket brings the camera's own pictures sooner
 * than video can be encoded and decoded.
 *
 * @param {string} host
 */
export function isNear(host) {
  const name = host.toLowerCase().replace(/^\[|\]$/g, "");
  if (name.includes(":")) return name === "::1" || /^f[cd][0-9a-f]{2}:/.test(name) || /^fe[89ab][0-9a-f]:/.test(name);
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) {
    const [a = 0, b = 0] = name.split(".").map(Number);
    return a === 127 || a === 10 || (a === 192 && b === 168) || (a === 172 && b >= 16 && b < 32) || (a === 169 && b === 254);
  }
  return !name.includes(".") || /\.(local|lan|home|internal|localhost|home\.arpa)$/.test(name);
}

/**
 * The transport to try first.
 *
 * @param {{hostname: string, search: string}} place such as `location`
 * @returns {Choice}
 */
export function choose({ hostname, search }) {
  const asked = new URLSearchParams(search).get("transport");
  if (asked === "webrtc" || asked === "websocket") return { transport: asked, forced: true };
  return { transport: isNear(hostname) ? "websocket" : "webrtc", forced: false };
}
