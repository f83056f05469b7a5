/** How a stream is recorded, and the button to record it by hand. */

import { setText } from "../../lib/dom.js";
import { recordNow } from "../../wire/recordings.js";
import { may } from "../../wire/session.js";
import { byId } from "../page.js";
import { recordedInWords } from "./words.js";

/** @typedef {import("../../wire/recordings.js").Recorded} Recorded */

export class RecordControl {
  #words = byId("recorded", HTMLElement);
  #button = byId("record", HTMLButtonElement);
  #why = byId("record-why", HTMLElement);
  #stream = "";
  #recording = false;
  #onchanged;

  /** @param {() => Promise<void>} onchanged asks the server again */
  constructor(onchanged) {
    this.#onchanged = onchanged;
    this.#button.addEventListener("click", () => void this.press());
  }

  /** Whether somebody may record the stream by hand. */
  get allowed() {
    return !this.#button.hidden;
  }

  /** @param {string} stream "" for none @param {Recorded | undefined} recorded @param {import("../../wire/session.js").Session | null} session */
  show(stream, recorded, session) {
    this.#stream = stream;
    this.#recording = recorded?.recording ?? false;
    setText(this.#words, stream ? recordedInWords(recorded) : "Choose a stream.");
    this.#button.hidden = !stream || !may(session, "publish", stream);
    setText(this.#button, this.#recording ? "Stop recording" : "Record now");
  }

  /** Record, or no longer. */
  async press() {
    const { refused } = await recordNow(this.#stream, !this.#recording);
    setText(this.#why, refused ? `It was not changed: ${refused.message || "the server does not answer"}.` : "");
    await this.#onchanged();
  }
}
