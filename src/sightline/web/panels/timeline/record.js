/** How a stream is recorded: by itself, by hand, and for whom it is shared. */

import { setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { recordNow, setRecording } from "../../wire/recordings.js";
import { may } from "../../wire/session.js";
import { byId } from "../page.js";
import { ShareForm } from "./share.js";
import { recordedInWords } from "./words.js";

/** @typedef {import("../../wire/recordings.js").Recorded} Recorded */

export class RecordControl {
  #words = byId("recorded", HTMLElement);
  #button = byId("record", HTMLButtonElement);
  #why = byId("record-why", HTMLElement);
  #form = byId("record-form", HTMLFormElement);
  #mode = byId("record-mode", HTMLSelectElement);
  #schedule = byId("record-schedule", HTMLInputElement);
  #stream = "";
  #recording = false;
  #busy = false;
  /** What the form was filled with: it is left alone while somebody writes there. */
  #filled = "";
  #onchanged;
  #share;

  /** @param {() => Promise<void>} onchanged asks the server again @param {import("./player.js").Player} player */
  constructor(onchanged, player) {
    this.#onchanged = onchanged;
    this.#share = new ShareForm(player);
    this.#button.addEventListener("click", () => void this.press());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#set();
    });
  }

  /** Whether somebody may record the stream by hand. */
  get allowed() {
    return !this.#button.hidden;
  }

  /** @param {string} stream "" for none @param {Recorded | undefined} recorded @param {import("../../wire/session.js").Session | null} session */
  show(stream, recorded, session) {
    if (stream !== this.#stream) this.#tell({ refused: null }); // that was of another one
    this.#stream = stream;
    this.#recording = recorded?.recording ?? false;
    setText(this.#words, stream ? recordedInWords(recorded) : t`Choose a stream.`);
    this.#button.hidden = !stream || !may(session, "publish", stream);
    setText(this.#button, this.#recording ? t`Stop recording` : t`Record now`);
    this.#form.hidden = !stream || !may(session, "admin", stream);
    this.#share.show(stream, session);
    const set = JSON.stringify([stream, recorded?.mode, recorded?.schedule]);
    if (set === this.#filled) return;
    this.#filled = set;
    this.#mode.value = recorded?.mode ?? "off";
    this.#schedule.value = recorded?.schedule ?? "";
  }

  /** Record, or no longer. */
  async press() {
    if (this.#busy) return;
    const stream = this.#stream;
    this.#busy = true;
    const answer = await recordNow(stream, !this.#recording);
    this.#busy = false;
    if (stream === this.#stream) this.#tell(answer);
    await this.#onchanged();
  }

  async #set() {
    const stream = this.#stream;
    const { refused } = await setRecording(stream, { record: this.#mode.value, record_schedule: this.#schedule.value });
    if (stream !== this.#stream) return;
    this.#tell({ refused });
    this.#schedule.setAttribute("aria-invalid", String(Boolean(refused)));
    if (refused) return this.#schedule.focus();
    await this.#onchanged();
  }

  /** @param {{refused: import("../../wire/events.js").Refused | null}} answer */
  #tell({ refused }) {
    setText(this.#why, refused ? t`It was not changed: ${refused.message || t`the server does not answer`}.` : "");
  }
}
