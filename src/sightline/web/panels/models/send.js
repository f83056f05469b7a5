/** Place for a model's own file: it is dropped or chosen, sent, checked by the server, shown, and then kept or not. */

import { make, setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { discardModel, keepModel, sendModel } from "../../wire/models.js";
import { hold } from "../hold.js";
import { byId } from "../page.js";
import { bytesInWords, labelsInWords, sentence, sizeInWords, unsendable, whatInWords } from "./words.js";

/** @typedef {import("../../wire/models.js").Checked} Checked */

export class SendPlace {
  #part = byId("send-part", HTMLElement);
  #drop = byId("drop", HTMLElement);
  #input = byId("send-file", HTMLInputElement);
  #now = byId("send-now", HTMLElement);
  #status = byId("send-status", HTMLElement);
  #most = 0;
  #onkept;
  /** Stops what is being sent. @type {(() => void) | null} */
  #stop = null;

  /** @param {(name: string) => void} onkept a model of this name is there now */
  constructor(onkept) {
    this.#onkept = onkept;
    const choose = byId("send-choose", HTMLButtonElement);
    choose.addEventListener("click", () => this.#input.click());
    this.#input.addEventListener("change", () => {
      const [file] = this.#input.files ?? [];
      this.#input.value = ""; // so that the same one can be chosen again
      if (file) void this.#send(file);
    });
    // Wherever on the page it falls: the browser would leave the page and show the file.
    addEventListener("dragover", (event) => this.#over(event, true));
    addEventListener("dragleave", (event) => this.#over(event, event.relatedTarget !== null));
    addEventListener("drop", (event) => {
      this.#over(event, false);
      const [file] = event.dataTransfer?.files ?? [];
      if (file && !this.#part.hidden && !this.#stop) void this.#send(file);
    });
  }

  /** @param {boolean} manages @param {number} most bytes of a file */
  show(manages, most) {
    this.#most = most;
    this.#part.hidden = !manages;
    setText(byId("send-most", HTMLElement), bytesInWords(most));
  }

  /** @param {DragEvent} event @param {boolean} over */
  #over(event, over) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    setData(this.#drop, "over", String(over));
  }

  /** @param {File} file @param {string} family "" where the file tells it */
  async #send(file, family = "") {
    const why = unsendable(file, this.#most);
    if (why) return this.#refused(why, file, []);
    const bar = make("progress", { max: "1", value: "0", "aria-label": t`Sending ${file.name}` });
    const words = make("p", { class: "hint" }, t`Sending ${file.name} (${bytesInWords(file.size)})`);
    const cancel = this.#button(t`Cancel`, "", () => this.#stop?.());
    this.#say("sending", t`Sending ${file.name}.`, bar, words, cancel);
    let stopped = false;
    const { sent, stop } = sendModel(file, family, (share) => {
      bar.value = share;
      if (share < 1 || stopped) return;
      bar.removeAttribute("value");
      setText(words, t`It has come. A process of its own loads it now, within limits, to see what it is.`);
      setText(this.#status, t`${file.name} has come and is being checked.`);
    });
    this.#stop = () => {
      stopped = true;
      stop();
    };
    const { checked, problem } = await sent;
    this.#stop = null;
    if (stopped) return this.#rest(t`Nothing was kept of it.`);
    if (problem) this.#refused(sentence(problem.message), file, problem.families);
    else this.#found(checked, file.name);
  }

  /** @param {Checked} checked @param {string} file */
  #found(checked, file) {
    const name = make("input", { id: "send-name", maxlength: "64", autocomplete: "off", autocapitalize: "off", spellcheck: "false" });
    name.value = checked.name;
    const problem = make("p", { class: "problem", role: "alert", id: "send-problem" });
    name.setAttribute("aria-describedby", "send-problem");
    /** @type {[string, string][]} */
    const known = [
      [t`Finds`, whatInWords(checked)],
      [t`Classes`, labelsInWords(checked.labels)],
      [t`Family`, checked.family],
      [t`Input`, sizeInWords(checked.input_size)],
      [t`Size`, bytesInWords(checked.size_bytes)],
      [t`Licence`, checked.licence || t`unknown`],
    ];
    const facts = known.map(([term, text]) => make("div", {}, make("dt", {}, term), make("dd", {}, text)));
    const form = make(
      "form",
      { novalidate: "", class: "send-found", "aria-label": file },
      make("h3", { tabindex: "-1" }, t`${file} is a model that runs here`),
      make("dl", { class: "model-facts" }, ...facts),
      make("label", { for: "send-name" }, t`Name under which streams may have it`),
      name,
      problem,
      make("div", { class: "actions" }, this.#button(t`Throw it away`, "", () => void this.#discard(checked)), submit()),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      hold(form, true);
      const wrong = await keepModel(checked, name.value.trim());
      hold(form, false);
      setText(problem, wrong && sentence(wrong));
      if (wrong) return name.focus();
      this.#rest(t`“${name.value.trim()}” can be chosen for every stream now.`);
      this.#onkept(name.value.trim());
    });
    this.#say("found", t`${file} was checked: ${whatInWords(checked)}.`, form);
    form.querySelector("h3")?.focus();
  }

  /** @param {Checked} checked */
  async #discard(checked) {
    await discardModel(checked); // what stays is thrown away within the hour
    this.#rest(t`It was thrown away.`);
  }

  /** @param {string} why @param {File} file @param {readonly string[]} families of which it may be */
  #refused(why, file, families) {
    const said = families.map((family) => this.#button(t`It is ${family}`, "", () => void this.#send(file, family)));
    const lines = why.split("\n").map((line) => make("p", {}, line));
    const refusal = make("div", { class: "send-refused", role: "alert" }, make("h3", {}, t`${file.name} was not taken`), ...lines);
    const again = this.#button(t`Choose another file`, families.length ? "" : "main", () => this.#input.click());
    this.#say("refused", "", refusal, make("div", { class: "actions" }, ...said, again));
  }

  /** @param {string} text */
  #rest(text) {
    this.#say("", text);
    byId("send-choose", HTMLButtonElement).focus();
  }

  /** @param {string} state @param {string} text for those who don't see it @param {HTMLElement[]} parts */
  #say(state, text, ...parts) {
    setData(this.#part, "state", state);
    setText(this.#status, text);
    this.#now.replaceChildren(...parts);
    this.#now.hidden = !parts.length;
    this.#drop.hidden = state === "sending" || state === "found";
  }

  /** @param {string} text @param {string} look @param {() => void} run */
  #button(text, look, run) {
    const button = make("button", { type: "button", class: `button ${look}`.trim() }, text);
    button.addEventListener("click", run);
    return button;
  }
}

function submit() {
  return make("button", { type: "submit", class: "button main" }, t`Keep it`);
}
