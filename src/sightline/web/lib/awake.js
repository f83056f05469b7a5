/** Keeps the screen on, where the browser can. */

export class Awake {
  /** @type {WakeLockSentinel | null} */
  #lock = null;
  #wanted = false;

  get on() {
    return Boolean(this.#lock && !this.#lock.released);
  }

  /** Keep the screen on, or no longer. A hidden page loses that and asks again. @param {boolean} on */
  async stay(on) {
    this.#wanted = on;
    if (!on) {
      await this.#lock?.release().catch(() => {});
      this.#lock = null;
    } else if (!this.on) {
      try {
        this.#lock = await navigator.wakeLock?.request("screen");
        if (!this.#wanted) await this.stay(false); // it was switched off meanwhile
      } catch {
        this.#lock = null; // the battery is low, or the page hidden: nothing that the person could do here
      }
    }
  }
}
