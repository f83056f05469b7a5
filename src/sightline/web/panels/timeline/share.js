/** Makes a link to the time that is shown: whoever has it sees that and nothing else. */

import { setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { may } from "../../wire/session.js";
import { makeShare } from "../../wire/shares.js";
import { byId } from "../page.js";
import { isLoopback } from "../share.js";
import { setUpCopy } from "../shell.js";

const DAY_S = 86_400;

export class ShareForm {
  #part = byId("share", HTMLElement);
  #form = byId("share-form", HTMLFormElement);
  #made = byId("share-made", HTMLElement);
  #problem = byId("share-problem", HTMLElement);
  #player;
  #stream = "";

  /** @param {import("./player.js").Player} player */
  constructor(player) {
    this.#player = player;
    setUpCopy(byId("share-copy", HTMLButtonElement), byId("share-link", HTMLInputElement));
    const works = isLoopback(location.hostname) ? `${t`It works on this computer only.`} ` : "";
    setText(byId("share-hint", HTMLElement), `${works}${t`Settings list all links; there they are taken back.`}`);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#make();
    });
  }

  /** @param {string} stream @param {import("../../wire/session.js").Session | null} session */
  show(stream, session) {
    const { at, state } = this.#player;
    if (stream !== this.#stream) {
      this.#made.hidden = true; // it leads to another stream
      setText(this.#problem, "");
    }
    this.#stream = stream;
    this.#part.hidden = !stream || state === "live" || !Number.isFinite(at) || !may(session, "admin", stream);
  }

  async #make() {
    const { at: from, stream } = this.#player;
    const to = Math.min(from + Number(byId("share-length", HTMLSelectElement).value), Date.now() / 1000);
    const expires_s = Number(byId("share-days", HTMLSelectElement).value) * DAY_S;
    const button = this.#form.querySelector("button");
    if (button) button.disabled = true;
    const { body, refused } = await makeShare(stream, { from, to, expires_s });
    if (button) button.disabled = false;
    if (stream !== this.#stream) return; // settings list it
    setText(this.#problem, refused ? t`No link was made: ${refused.message || t`the server does not answer`}.` : "");
    this.#made.hidden = Boolean(refused);
    if (refused) return;
    const field = byId("share-link", HTMLInputElement);
    field.value = `${location.origin}${body.path}`;
    field.select();
  }
}
