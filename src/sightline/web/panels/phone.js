/** Controls of a phone's camera page: the other camera, the light, a screen that stays on. */

import { nextCamera } from "../capture/devices.js";
import { Awake } from "../lib/awake.js";
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
  #awake = new Awake();

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

  /** Keep the screen on, or no longer. @param {boolean} on */
  async stayAwake(on) {
    await this.#awake.stay(on);
    document.body.dataset["awake"] = String(this.#awake.on);
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
