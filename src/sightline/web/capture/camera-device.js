/** One camera of this machine at a time, shown by a video element. */

import { openCamera } from "./devices.js";

/**
 * @typedef {{onended: () => void, onmuted: (muted: boolean) => void}} Events `onended`: it was unplugged or switched
 *   off; `onmuted`: it sends no picture for now
 */

export class CameraDevice {
  /** The camera that is open. @type {MediaStreamTrack | null} */
  track = null;
  #video;
  #events;
  #run = 0;

  /** @param {HTMLVideoElement} video @param {Events} events */
  constructor(video, events) {
    this.#video = video;
    this.#events = events;
  }

  /**
   * Open a camera and close the one before. Resolves to false if `open` or `close` was called meanwhile.
   *
   * @param {{device: string, width: number}} choice see `openCamera` @param {string} facing
   */
  async open({ device, width }, facing) {
    this.close();
    const run = this.#run;
    const media = await openCamera(device, width, facing).catch((error) => {
      if (run === this.#run) throw error;
    });
    if (run === this.#run && media) this.#show(media);
    else media?.getTracks().forEach((track) => track.stop());
    return run === this.#run;
  }

  /** Let go of the camera. */
  close() {
    this.#run += 1;
    if (this.track) {
      this.track.onended = this.track.onmute = this.track.onunmute = null;
      this.track.stop();
    }
    this.track = null;
    this.#video.srcObject = null;
  }

  /** @param {MediaStream} media */
  #show(media) {
    const track = media.getVideoTracks()[0] ?? null;
    this.track = track;
    if (!track) return;
    track.onended = () => this.#events.onended();
    track.onmute = track.onunmute = () => this.#events.onmuted(track.muted);
    this.#video.srcObject = media;
    this.#video.play().catch(() => {}); // plays as soon as the page may
  }
}
