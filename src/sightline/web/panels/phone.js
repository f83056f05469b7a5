/** Controls of a phone's camera page: the other camera, the light, a screen that stays on. */

import { nextCamera } from "../capture/devices.js";
import { byId } from "./page.js";

/**
 * @typedef {MediaTrackCapabilities & {torch?: boolean}} Capabilities
 * @typedef {import("../capture/devices.js").Other} Other
 */

export class Phone {
  #flip = byId("flip", HTMLButtonElement);
  #torch = byId("torch", HTMLInputElement);
  #torchRow = byId("torch-row", HTMLElement);
  /** @type {MediaStreamTrack | null} */
  #track = null;
  /** @type {{id: string}[]} */
  #cameras = [];
  /** @type {WakeLockSentinel | null} */
  #awake = null;
  #wanted = false;

  /** @param {(other: Other) => void} onflip */
  constructor(onflip) {
    this.#flip.addEventListener("click", () => {
      const other = this.#other();
      if (other) onflip(other);
    });
    this.#torch.addEventListener("change", () => void this.#light());
  }

  /** Follow the open camera; null if there is none. @param {MediaStreamTrack | null} track */
  follow(track) {
    this.#track = track;
    this.#torch.checked = false;
    const can = /** @type {Capabilities} */ (track?.getCapabilities?.() ?? {});
    this.#torchRow.hidden = !can.torch;
    this.#show();
  }

  /** @param {{id: string}[]} cameras of this machine */
  know(cameras) {
    this.#cameras = cameras;
    this.#show();
  }

  /** Keep the screen on, or no longer. A hidden page loses that and asks again. @param {boolean} on */
  async stayAwake(on) {
    this.#wanted = on;
    if (!on) {
      await this.#awake?.release().catch(() => {});
      this.#awake = null;
    } else if (!this.#awake || this.#awake.released) {
      try {
        this.#awake = await navigator.wakeLock?.request("screen");
        if (!this.#wanted) await this.stayAwake(false); // it was switched off meanwhile
      } catch {
        this.#awake = null; // the battery is low, or the page hidden: nothing that the person could do here
      }
    }
    document.body.dataset["awake"] = String(Boolean(this.#awake && !this.#awake.released));
  }

  #show() {
    this.#flip.hidden = this.#other() === null;
  }

  /** @returns {Other | null} */
  #other() {
    if (!this.#track) return null;
    const { deviceId = "", facingMode } = this.#track.getSettings();
    return nextCamera(this.#cameras, deviceId, facingMode);
  }

  async #light() {
    const on = this.#torch.checked;
    try {
      await this.#track?.applyConstraints({ advanced: [/** @type {MediaTrackConstraintSet} */ ({ torch: on })] });
    } catch {
      this.#torch.checked = !on;
    }
  }
}
