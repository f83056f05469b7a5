/** Tries a rule: what it would have told over the last minutes, or over a clip. */

import { make, setText } from "../../lib/dom.js";
import { fixed } from "../../lib/format.js";
import { className, t } from "../../lib/i18n.js";
import { MOST_CLIP_BYTES, tryClip, tryRule } from "../../wire/rules.js";
import { ago, clock, duration, exactly } from "../events/words.js";
import { tooLargeInWords, triedInWords } from "./words.js";

/**
 * @typedef {import("../../wire/rules.js").Rule} Rule
 * @typedef {import("../../wire/rules.js").Fired} Fired
 */

const MOST_LISTED = 50;

export class Trial {
  element = make("section", { class: "trial", "aria-label": t`Test` });
  #stream;
  #rule;
  #refuse;
  #words = make("p", { role: "status" });
  #hint = make("p", { class: "hint" }, t`It tells nobody. Of a clip the first two minutes are looked at, and it is kept nowhere.`);
  #list = make("ol", { class: "fired" });
  #last = make("button", { type: "button", class: "button", id: "rule-test" }, t`Test on the last minutes`);
  #file = make("input", { type: "file", class: "unseen", id: "rule-video", accept: ".mp4,.m4v,.mov,.mkv,.webm,.avi,.ts", tabindex: "-1", "aria-label": t`Clip to test on` });
  #clip = make("button", { type: "button", class: "button", id: "rule-test-clip" }, t`Test on a clip …`);

  /**
   * @param {string} stream @param {() => Rule} rule that is to be tried
   * @param {(refused: {key: string, message: string, expected: string, status: number}) => void} refuse
   */
  constructor(stream, rule, refuse) {
    this.#stream = stream;
    this.#rule = rule;
    this.#refuse = refuse;
    this.#last.addEventListener("click", () => void this.#run(null));
    this.#clip.addEventListener("click", () => this.#file.click());
    this.#file.addEventListener("change", () => {
      const [clip] = this.#file.files ?? [];
      this.#file.value = "";
      if (clip) void this.#run(clip);
    });
    this.element.append(make("div", { class: "row" }, this.#last, this.#clip, this.#file), this.#hint, this.#words, this.#list);
  }

  clear() {
    setText(this.#words, "");
    this.#list.replaceChildren();
  }

  /** @param {File | null} clip */
  async #run(clip) {
    const rule = this.#rule();
    this.clear();
    if (clip && clip.size > MOST_CLIP_BYTES) return setText(this.#words, tooLargeInWords(clip.size, MOST_CLIP_BYTES));
    setText(this.#words, clip ? t`Looking through ${clip.name} …` : t`Looking …`);
    this.#last.disabled = this.#clip.disabled = true;
    const { body, refused } = await (clip ? tryClip(this.#stream, rule, clip) : tryRule(this.#stream, rule));
    this.#last.disabled = this.#clip.disabled = false;
    setText(this.#words, body ? triedInWords(body, clip !== null, rule) : "");
    if (refused) return this.#refuse(refused);
    if (body) this.#list.append(...body.fired.slice(0, MOST_LISTED).map((one) => item(one, clip !== null)));
  }
}

/** @param {Fired} one @param {boolean} clip whether its time is one of a clip */
function item({ at, seconds, track, class_name }, clip) {
  const now = Date.now() / 1000;
  const when = clip ? t`at ${fixed(at, 1)} s` : `${clock(at)}, ${ago(at, now)}`;
  const time = clip ? make("span", {}, when) : make("time", { title: exactly(at) }, when);
  const who = `${className(class_name) || t`it`}${track === null ? "" : ` #${track}`}`;
  return make("li", {}, time, make("span", {}, seconds ? t`${who}, for ${duration(seconds)}` : who));
}
