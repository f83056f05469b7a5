/** Has the server look at what the strip shows again, with another model, confidence or zones. */

import { make, setText } from "../../../lib/dom.js";
import { t } from "../../../lib/i18n.js";
import { askModels } from "../../../wire/models.js";
import { askOutcome, askReplay, askReplays, beginReplay, cancelReplay } from "../../../wire/replays.js";
import { momentInWords } from "../words.js";
import { ReplayResult } from "./result.js";
import { hourOf } from "./rows.js";

/** @typedef {import("../../../wire/replays.js").Replay} Replay */

const LOOK_MS = 500;
const AWAY = t`the server does not answer`;

export class ReplayPanel {
  #page;
  #model = make("select", { id: "replay-model" }, make("option", { value: "" }, t`The stream's own`));
  #confidence = make("input", { id: "replay-confidence", type: "number", min: "0.01", max: "0.99", step: "0.01", placeholder: t`The stream's own` });
  #begin = make("button", { type: "submit", class: "button" }, t`Look again`);
  #cancel = make("button", { type: "button", class: "button" }, t`Cancel`);
  #progress = make("progress", { max: "1", "aria-label": t`How much was looked at` });
  #running = make("div", { class: "replay-running", hidden: "" }, this.#progress, this.#cancel);
  #words = make("p", { class: "hint", role: "status" });
  #why = make("p", { class: "problem", role: "alert" });
  #result;
  /** @type {string | null} */
  #id = null;

  /** @param {HTMLElement} place @param {import("./result.js").Page} page */
  constructor(place, page) {
    this.#page = page;
    this.#result = new ReplayResult(page);
    const form = make(
      "form",
      { class: "replay-form" },
      make("label", { for: "replay-model" }, t`Model`),
      this.#model,
      make("label", { for: "replay-confidence" }, t`Least confidence`),
      this.#confidence,
      make("p", { class: "hint" }, t`What the strip shows, of more than an hour that around the picture, with the zones and rules as they are now. Live streams come first, and nobody is told of what is found.`),
      this.#begin,
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#start();
    });
    this.#cancel.addEventListener("click", () => void this.#stop());
    place.replaceChildren(form, this.#running, this.#words, this.#why, this.#result.element);
  }

  /** Ask which models there are, and whether a replay is there already. */
  async begin() {
    const [models, replays] = await Promise.all([askModels(), askReplays()]);
    const usable = models.body?.models.filter((one) => one.usable) ?? [];
    this.#model.append(...usable.map(({ name }) => make("option", { value: name }, name)));
    const last = replays.body?.replays.find((one) => one.stream === this.#page.stream());
    if (last) await this.#follow(last);
  }

  async #start() {
    const { from, to } = hourOf(this.#page.span(), this.#page.at());
    const stream = this.#page.stream();
    if (!stream) return setText(this.#why, t`Choose a stream.`);
    setText(this.#why, "");
    this.#begin.disabled = true;
    const confidence = this.#confidence.value ? this.#confidence.valueAsNumber : null;
    const wish = { from: Math.max(0, from), to, model: this.#model.value || null, confidence };
    const { body, refused } = await beginReplay(stream, wish);
    if (body) return this.#follow(body);
    this.#begin.disabled = false;
    setText(this.#why, t`It was not looked at: ${refused.message || AWAY}.`);
  }

  /** Show how far it is until it is over. @param {Replay} replay */
  async #follow(replay) {
    this.#id = replay.id;
    this.#result.show(null);
    for (let one = replay; this.#id === replay.id; ) {
      this.#show(one);
      if (one.state !== "running") break;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      const { body, refused } = await askReplay(replay.id);
      if (refused?.status === 404) one = { ...one, state: "cancelled" };
      else one = body ?? one;
    }
    const { body, refused } = this.#id === replay.id && replay.state !== "failed" ? await askOutcome(replay.id) : { body: null, refused: null };
    if (this.#id !== replay.id) return;
    if (body) this.#result.show(body);
    else if (refused && refused.status !== 404) setText(this.#why, t`What was found can't be shown: ${refused.message || AWAY}.`);
  }

  /** @param {Replay} one */
  #show(one) {
    const running = one.state === "running";
    this.#begin.disabled = running;
    this.#running.hidden = !running;
    this.#progress.value = one.progress;
    const what = t`${momentInWords(one.from)} to ${momentInWords(one.to)}, ${one.model} from ${Math.round(one.confidence * 100)} %`;
    setText(this.#words, one.state === "cancelled" ? t`It was cancelled.` : what);
    setText(this.#why, one.state === "failed" ? t`It failed: ${one.why}.` : "");
  }

  async #stop() {
    if (!this.#id) return;
    const { refused } = await cancelReplay(this.#id);
    if (refused && refused.status !== 404) return setText(this.#why, t`It goes on: ${refused.message || AWAY}.`);
  }
}
