/** A viewer's link over WebRTC. It joins a video's pictures and their results by RTP time. */

import { t } from "../lib/i18n.js";
import { readMask } from "../wire/mask.js";
import { timesOf } from "./connection.js";
import { Link } from "./link.js";

const KEPT = 90;
const UNSEEN_MS = 4_000;
const BLIND = 5; // pictures in a row: a browser may show a black one before the first

/**
 * @typedef {import("../wire/messages.js").ViewerFrame} ViewerFrame
 * @typedef {{meta: ViewerFrame, mask: Promise<import("../wire/mask.js").Mask | null>}} Said
 * @typedef {(meta: ViewerFrame, picture: import("../wire/findings.js").Picture) => void} Show
 */

/** A viewer's link. Over WebRTC it plays the video out of sight, and gives each picture with its result. */
export class ViewLink extends Link {
  #matcher;
  #video = document.createElement("video");
  #seenAt = 0;

  /**
   * @param {string} stream
   * @param {import("../wire/socket.js").Handlers & {onpicture: Show, ontransport?: import("./link.js").OnTransport}} handlers
   * @param {ParentNode} stage where the video may play out of sight: it has the class `unseen`
   * @param {ConstructorParameters<typeof Link>[2]} to another server, or over another transport
   */
  constructor(stream, handlers, stage, to = {}) {
    super(
      { socket: `/ws/view/${stream}?still=1`, webrtc: `/whep/${stream}?render=viewer` },
      {
        ...handlers,
        onmessage: (message) => {
          if (this.video && message.type === "frame_metadata") this.#announced(message);
          else handlers.onmessage(message);
        },
        onbinary: (data) => (this.video ? this.#matcher.receive(data) : handlers.onbinary?.(data)),
        prepare: (peer) => {
          peer.ontrack = ({ track }) => this.#play(track);
          peer.addTransceiver("video", { direction: "recvonly" });
        },
        onvideo: () => this.#begin(),
        onend: () => this.#end(),
      },
      to,
    );
    this.#matcher = new Matcher((meta, picture) => {
      this.#seenAt = performance.now();
      handlers.onpicture(meta, picture);
    });
    this.#video.muted = this.#video.playsInline = this.#video.autoplay = true;
    this.#video.className = "unseen";
    this.#video.setAttribute("aria-hidden", "true");
    stage.append(this.#video);
  }

  /** Number of pictures that no result came for. */
  get skipped() {
    return this.#matcher.skipped;
  }

  /** End it for good, and leave the stage. */
  dispose() {
    this.close();
    this.#video.remove();
  }

  /** @param {MediaStreamTrack} track */
  #play(track) {
    this.#video.srcObject = new MediaStream([track]);
    this.#video.play().catch(() => {}); // plays as soon as the page may
  }

  #begin() {
    this.#seenAt = performance.now();
    this.#matcher.watch(this.#video, () => this.giveUp(t`this browser doesn't tell which picture it plays`));
  }

  /** @param {ViewerFrame} meta */
  #announced(meta) {
    const now = performance.now();
    if (document.hidden) this.#seenAt = now;
    if (now - this.#seenAt > UNSEEN_MS) this.giveUp(t`no pictures get through`);
    else this.#matcher.announce(meta);
  }

  #end() {
    this.#matcher.reset();
    this.#video.srcObject = null;
  }
}

/** Pictures and results that wait for each other. */
export class Matcher {
  /** Number of pictures that no result came for. */
  skipped = 0;
  #show;
  /** @type {Map<number, Said>} by RTP time, oldest first */
  #said = new Map();
  /** @type {{rtp: number, image: ImageBitmap} | null} the newest, if its words are still to come */
  #waiting = null;
  /** @type {ViewerFrame | null} whose mask comes next */
  #announced = null;
  #blind = 0;
  #run = 0;
  #begun = 0;
  #shown = 0;

  /** @param {Show} show */
  constructor(show) {
    this.#show = show;
  }

  /** @param {HTMLVideoElement} video @param {() => void} blind called where the browser does not tell RTP times */
  watch(video, blind) {
    const run = this.#run;
    let newest = -1;
    /** @param {number} _ @param {VideoFrameCallbackMetadata} frame */
    const shown = async (_, frame) => {
      if (run !== this.#run) return;
      video.requestVideoFrameCallback(shown);
      const { rtpTimestamp } = timesOf(video, frame);
      if (rtpTimestamp === undefined) {
        this.#blind += 1;
        if (this.#blind === BLIND) blind();
        return;
      }
      this.#blind = 0;
      if (rtpTimestamp === newest) return;
      newest = rtpTimestamp;
      const image = await createImageBitmap(video).catch(() => null);
      if (!image) return;
      if (run === this.#run) this.#picture(rtpTimestamp, image);
      else image.close();
    };
    video.requestVideoFrameCallback(shown);
  }

  /** Take the result of a picture. @param {ViewerFrame} meta */
  announce(meta) {
    if (meta.mask_bytes) this.#announced = meta;
    else this.#keep(meta, Promise.resolve(null));
  }

  /** Take the mask that was announced. @param {ArrayBuffer} data */
  receive(data) {
    const meta = this.#announced;
    this.#announced = null;
    if (meta) this.#keep(meta, readMask(new Uint8Array(data)).catch(() => null));
  }

  /** Forget all: the connection is gone. */
  reset() {
    this.#run += 1;
    this.#said.clear();
    this.#waiting?.image.close();
    this.#waiting = null;
    this.#announced = null;
  }

  /** @param {ViewerFrame} meta @param {Said["mask"]} mask */
  #keep(meta, mask) {
    const rtp = meta.rtp_timestamp ?? 0;
    this.#said.set(rtp, { meta, mask });
    while (this.#said.size > KEPT) this.#said.delete(/** @type {number} */ (this.#said.keys().next().value));
    const waiting = this.#waiting;
    if (waiting?.rtp === rtp) {
      this.#waiting = null;
      void this.#match(rtp, waiting.image);
    }
  }

  /** @param {number} rtp @param {ImageBitmap} image */
  #picture(rtp, image) {
    if (this.#waiting) {
      this.#waiting.image.close();
      this.skipped += 1;
      this.#waiting = null;
    }
    if (this.#said.has(rtp)) void this.#match(rtp, image);
    else this.#waiting = { rtp, image };
  }

  /** @param {number} rtp @param {ImageBitmap} image */
  async #match(rtp, image) {
    const said = /** @type {Said} */ (this.#said.get(rtp));
    for (const older of [...this.#said.keys()]) {
      this.#said.delete(older);
      if (older === rtp) break;
    }
    const run = this.#run;
    const number = (this.#begun += 1);
    const mask = await said.mask;
    if (run !== this.#run || number < this.#shown) {
      image.close(); // its mask took longer than a newer one's
      return;
    }
    this.#shown = number;
    const { width, height, rendered } = said.meta;
    this.#show(said.meta, { image, width, height, findings: rendered ? null : said.meta, mask });
  }
}
