/** The machines of a cluster that models run on, and what runs on each. Comes with the first answer that has any. */

import { setText } from "../../lib/dom.js";
import { count } from "../../lib/format.js";
import { t } from "../../lib/i18n.js";
import { byId } from "../page.js";
import { row } from "./check-row.js";

/** @param {import("../../wire/manage.js").Cluster} cluster */
export function showMachines({ models, machines, replicas, problem }) {
  const known = new Set(machines.map(({ node }) => node));
  const there = machines.flatMap((machine) => [
    aboutMachine(machine),
    ...replicas.filter(({ node }) => node === machine.node).map(aboutReplica),
  ]);
  const rows = [...models.flatMap(aboutModel), ...there];
  const lost = replicas.filter(({ node }) => !known.has(node)).map(aboutReplica);
  if (problem) rows.unshift(row("problem", t`Cluster`, problem));
  byId("machines-part", HTMLDetailsElement).hidden = false;
  setText(byId("machines-count", HTMLElement), count(machines.length));
  byId("machines", HTMLElement).replaceChildren(...rows, ...lost);
}

/** What is told of a model besides its replicas. @param {import("../../wire/manage.js").Scale} scale */
function aboutModel({ model, replicas, coming, trouble }) {
  if (trouble) return [row("problem", model, trouble)];
  if (coming) return [row("note", model, coming > 1 ? t`${count(coming)} replicas are being started` : t`a replica is being started`)];
  return replicas ? [] : [row("ok", model, t`no replica, as nobody needs it. The next frame has one started`)];
}

/** @param {import("../../wire/manage.js").Machine} machine */
function aboutMachine({ name, address, cpus, cpus_free, gpus, gpus_free, leaving, clock_ahead_s }) {
  const has = [t`${count(cpus_free)} of ${count(cpus)} cores free`];
  if (gpus) has.push(t`${count(gpus_free)} of ${count(gpus)} graphics cards free`);
  if (leaving) has.push(t`is being drained`);
  if (Math.abs(clock_ahead_s ?? 0) > 1) has.push(t`its clock differs by ${count(Math.round(Math.abs(clock_ahead_s ?? 0)))} s`);
  return row(has.length > (gpus ? 2 : 1) ? "note" : "ok", `${name} (${address})`, has.join(", "));
}

/** @param {import("../../wire/manage.js").Replica} replica */
function aboutReplica({ model, machine, streams, load, late, out }) {
  const has = [t`${count(Math.round(load * 100))} % busy`];
  if (streams.length) has.push(streams.join(", "));
  if (late) has.push(t`${count(late)} late answers`);
  return row(out ? "problem" : "ok", `${model} · ${machine || "?"}`, out || has.join(", "));
}
