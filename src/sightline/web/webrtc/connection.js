/** One WebRTC connection to the server. It is offered by HTTP, and has a data channel for messages. */

import { wallClock } from "../lib/clock.js";
import { t } from "../lib/i18n.js";
import { bearer } from "../wire/session.js";

const CHANNEL = "sightline";
const START_KBPS = 1500;
const LEAVE_MS = 1_000;
const LATER_MS = 1_000;

/**
 * @typedef {{urls: string[], username?: string | null, credential?: string | null}} IceServer
 * @typedef {{available: boolean, reason: string, ice_servers: IceServer[], receive_kbps: number}} Terms
 * @typedef {{
 *   onopen: () => void,
 *   ondata: (data: string | ArrayBuffer) => void,
 *   onclose: (why: string) => void,
 *   onrefused: (code: string, message: string) => void,
 * }} Handlers one of `onclose` and `onrefused` is called, once, unless `close` was.
 */

/** Ask for the server's terms. @param {string} server its origin @param {string} token @returns {Promise<Terms>} */
export async function terms(server, token) {
  const answer = await fetch(`${server}/api/webrtc`, { headers: bearer(token) });
  if (!answer.ok) throw new Error(`GET /api/webrtc: ${answer.status}`);
  return answer.json();
}

/** True if this browser can connect over WebRTC. */
export function able() {
  return "RTCPeerConnection" in globalThis && "requestVideoFrameCallback" in HTMLVideoElement.prototype;
}

/**
 * Times of the picture that a video shows while its callback runs. On a busy machine that may be the next picture after
 * the one that the callback is told of.
 *
 * @param {HTMLVideoElement} video @param {VideoFrameCallbackMetadata} told
 * @returns {{captureTime?: number, rtpTimestamp?: number}}
 */
export function timesOf(video, told) {
  if (!("VideoFrame" in globalThis) || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return told;
  const picture = new VideoFrame(video);
  const later = picture.timestamp / 1000 - told.mediaTime * 1000;
  // @ts-expect-error: newer than TypeScript's list
  const { rtpTimestamp } = picture.metadata?.() ?? {};
  picture.close();
  if (!(later > 0 && later < LATER_MS)) return told; // a browser that counts from elsewhere
  return {
    captureTime: told.captureTime === undefined ? undefined : told.captureTime + later,
    rtpTimestamp: rtpTimestamp ?? told.rtpTimestamp,
  };
}

export class Connection {
  #url;
  #bearer;
  #handlers;
  #peer;
  #channel;
  #location = "";
  /** @type {string[]} */
  #candidates = [];
  #over = false;
  #offered;

  /**
   * @param {string} url such as https://cam.example/whip/door @param {Terms} terms @param {Handlers} handlers
   * @param {(peer: RTCPeerConnection) => void} prepare adds the video to send or to receive
   * @param {string} token "" where the cookie says who asks
   */
  constructor(url, terms, handlers, prepare, token) {
    this.#url = url;
    this.#bearer = bearer(token);
    this.#handlers = handlers;
    const iceServers = terms.ice_servers.map(({ urls, username, credential }) => ({
      urls,
      ...(username ? { username } : {}),
      ...(credential ? { credential } : {}),
    }));
    this.#peer = new RTCPeerConnection({ iceServers });
    this.#channel = this.#peer.createDataChannel(CHANNEL);
    this.#channel.binaryType = "arraybuffer";
    this.#channel.onopen = () => this.#over || handlers.onopen();
    this.#channel.onmessage = ({ data }) => this.#over || handlers.ondata(data);
    this.#channel.onclose = () => this.#end(t`the connection was closed`);
    this.#peer.onconnectionstatechange = () => {
      if (this.#peer.connectionState === "failed") this.#end(t`no UDP path`);
    };
    this.#peer.onicecandidate = ({ candidate }) => {
      // The server can't use names that only mDNS knows. It learns the address from our packets.
      if (!candidate || candidate.candidate.includes(".local")) return;
      this.#candidates.push(`a=${candidate.candidate}`);
      void this.#trickle();
    };
    prepare(this.#peer);
    this.#offered = this.#offer().catch((error) => this.#end(String(error)));
  }

  /** @param {string} text */
  send(text) {
    if (this.#channel.readyState === "open") this.#channel.send(text);
  }

  /** End the connection. Resolves once the server has let go, so that another one may take the stream. */
  async close() {
    this.#over = true;
    this.#channel.onclose = null;
    this.#peer.close();
    await Promise.race([this.#offered, new Promise((resolve) => setTimeout(resolve, LEAVE_MS))]);
    const location = this.#location;
    this.#location = "";
    if (location) await fetch(location, { method: "DELETE", keepalive: true, headers: this.#bearer }).catch(() => null);
  }

  async #offer() {
    await this.#peer.setLocalDescription();
    const headers = { "Content-Type": "application/sdp", ...this.#bearer };
    const body = this.#peer.localDescription?.sdp ?? "";
    const answer = await fetch(this.#url, { method: "POST", headers, body });
    const text = await answer.text();
    if (answer.status !== 201) {
      this.#refused(text, answer.status);
      return;
    }
    const location = answer.headers.get("Location");
    this.#location = location ? new URL(location, this.#url).href : "";
    if (this.#over) return;
    await this.#peer.setRemoteDescription({ type: "answer", sdp: quick(text) });
    await this.#trickle();
  }

  async #trickle() {
    const candidates = this.#candidates;
    if (!this.#location || !candidates.length) return;
    this.#candidates = [];
    const headers = { "Content-Type": "application/trickle-ice-sdpfrag", ...this.#bearer };
    const request = { method: "PATCH", headers, body: `${candidates.join("\r\n")}\r\n` };
    await fetch(this.#location, request).catch(() => null);
  }

  /** @param {string} text @param {number} status */
  #refused(text, status) {
    if (this.#over) return;
    let error = { code: "http", message: t`The server answered with status ${status}.` };
    try {
      error = JSON.parse(text).error;
    } catch {
      // the answer is not the server's own
    }
    void this.close();
    this.#handlers.onrefused(error.code, error.message);
  }

  /** @param {string} why */
  #end(why) {
    if (this.#over) return;
    void this.close();
    this.#handlers.onclose(why);
  }
}

/** Change an answer so that the browser begins with a sharp picture. @param {string} sdp */
export function quick(sdp) {
  return sdp.replace(
    /a=rtpmap:(\d+) (VP8|H264)\/90000\r\n/g,
    (line, type) => `${line}a=fmtp:${type} x-google-start-bitrate=${START_KBPS}\r\n`,
  );
}

/** A moment of `performance.now()` as milliseconds since 1970. @param {number} moment */
export function wallTime(moment) {
  return wallClock() - performance.now() + moment;
}
