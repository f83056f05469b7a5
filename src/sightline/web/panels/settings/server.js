/** How the server is: version, tasks, troubles, and what the doctor finds. */

import { make, setData, setText } from "../../lib/dom.js";
import { count, plural } from "../../lib/format.js";
import { said as inLanguage, t } from "../../lib/i18n.js";
import { askServer, examine, why } from "../../wire/manage.js";
import { byId } from "../page.js";
import { row } from "./check-row.js";

/** Show it now. Returns false where the server does not answer. */
export async function showServer() {
  const { body, refused } = await askServer();
  const pill = byId("server-state", HTMLElement);
  if (refused) {
    if (refused.status === 401) location.reload(); // the token has ended: the page says so, and where to sign in
    setData(pill, "kind", "error");
    setText(pill, t`no answer`);
    return refused.status !== 0;
  }
  const troubles = Object.entries(body.troubles);
  setData(pill, "kind", !body.ready ? "error" : troubles.length ? "warning" : "good");
  setText(pill, !body.ready ? t`not ready` : troubles.length ? plural(troubles.length, "trouble") : t`all is well`);
  const facts = { [t`Version`]: body.version, [t`Up`]: duration(body.uptime_s), Python: body.python, [t`System`]: body.system };
  byId("server-facts", HTMLElement).replaceChildren(
    ...Object.entries(facts).map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))),
  );
  const told = body.ready ? troubles : [["frames", body.reason], ...troubles];
  const list = byId("server-troubles", HTMLElement);
  list.replaceChildren(...told.map(([what = "", text = ""]) => row("problem", inLanguage(what), inLanguage(text))));
  list.hidden = !told.length;
  showTasks(body.tasks);
  if (body.cluster) (await import("./machines.js")).showMachines(body.cluster);
  return true;
}

/** @param {import("../../wire/manage.js").Task[]} tasks */
function showTasks(tasks) {
  setText(byId("tasks-count", HTMLElement), count(tasks.length));
  byId("tasks", HTMLElement).replaceChildren(
    ...tasks.map(({ name, restarts, trouble }) => {
      const often = restarts ? t`started again ${plural(restarts, "time")}` : t`runs`;
      return row(trouble ? "problem" : "ok", inLanguage(name), trouble ? inLanguage(trouble) : often);
    }),
  );
}

/** The button that has the installation examined. */
export function setUpDoctor() {
  const button = byId("doctor", HTMLButtonElement);
  const said = byId("doctor-said", HTMLElement);
  button.addEventListener("click", async () => {
    button.disabled = true;
    setText(said, t`Examining: the model is loaded once more for that. This takes some seconds.`);
    const { body, refused } = await examine();
    button.disabled = false;
    setText(said, refused ? why(refused) : conclusion(body.findings));
    const list = byId("doctor-findings", HTMLElement);
    list.replaceChildren(...(body?.findings ?? []).map(({ state, what, detail, mend }) => row(state, inLanguage(what), inLanguage(detail), inLanguage(mend))));
    list.hidden = !body;
  });
}

/** @param {import("../../wire/manage.js").Finding[]} findings */
function conclusion(findings) {
  const problems = findings.filter(({ state }) => state === "problem").length;
  return problems ? t`${plural(problems, "problem")}. What fixes it stands below.` : t`No problem found.`;
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return t`${Math.floor(seconds / 60)} min`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? t`${hours} h ${Math.floor((seconds % 3600) / 60)} min` : plural(Math.floor(hours / 24), "day");
}
