/** The page that tells what a phone still needs to be a camera here, and how to get it. */

import { icon, make, setData, setText } from "../lib/dom.js";
import { t } from "../lib/i18n.js";
import { byId } from "../panels/page.js";
import { setUpShell } from "../panels/shell.js";

/**
 * @typedef {{name: string, good: boolean | null, text: string, optional?: boolean}} Check
 *   `good` null: this browser doesn't say; `optional`: a camera works without
 */

const ANSWER_MS = 5_000;
const NOTHING = t`Nothing is missing.`;
const SCAN = t`Scan the code on the start page, or in the terminal, to begin.`;

setUpShell();
void run();

async function run() {
  const trust = await fetch("/api/trust").then((a) => a.json()).catch(() => ({ own: false, fingerprint: null }));
  const checks = [secure(), camera(), await socket(), await certificate()];
  byId("checks", HTMLElement).replaceChildren(...checks.map(line));
  const missing = checks.filter((check) => check.good === false);
  const works = missing.every((check) => check.optional);
  setText(byId("title", HTMLElement), works ? t`This device can be a camera here` : t`Something is missing`);
  setText(byId("verdict", HTMLElement), verdict(missing, works));
  setData(document.body, "state", missing.length ? "missing" : "good");
  if (trust.own) showSteps(trust.fingerprint);
}

/** @param {Check[]} missing @param {boolean} works */
function verdict(missing, works) {
  if (!missing.length) return location.protocol === "https:" ? `${NOTHING} ${SCAN}` : NOTHING;
  if (works) return t`It works, after the browser's warning. A trusted certificate ends the warnings: see below.`;
  return t`Missing: ${missing.map((check) => check.name).join(", ")}. What to do is below.`;
}

/** @returns {Check} */
function secure() {
  const name = t`A secure page`;
  if (location.protocol === "https:") return { name, good: true, text: t`This page came over an encrypted connection.` };
  if (isSecureContext) return { name, good: true, text: t`This page came from this computer itself.` };
  const address = location.href.replace("http:", "https:");
  return { name, good: false, text: t`Browsers give cameras to secure pages only. Open ${address} instead.` };
}

/** @returns {Check} */
function camera() {
  const name = t`A camera for pages`;
  if (typeof navigator.mediaDevices?.getUserMedia === "function") {
    return { name, good: true, text: t`The browser can ask for the camera.` };
  }
  const text = isSecureContext
    ? t`This browser gives pages no camera. Safari and Chrome do; browsers inside other apps often don't.`
    : t`There is none without a secure page.`;
  return { name, good: false, text };
}

/** Check the sockets: some browsers let a page past its certificate, but not its sockets. @returns {Promise<Check>} */
async function socket() {
  const name = t`A live connection`;
  const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
  const opened = await new Promise((resolve) => {
    const ws = new WebSocket(url); // the server may refuse us: all that counts is that it can answer
    ws.onopen = () => resolve(true);
    ws.onerror = () => resolve(false);
    setTimeout(() => resolve(false), ANSWER_MS);
  });
  if (opened) return { name, good: true, text: t`Pictures and results can go both ways.` };
  return { name, good: false, text: t`The browser refuses it, as it does not trust the certificate.` };
}

/**
 * Check the certificate: browsers take service workers only where it is trusted, not where a warning was clicked away.
 */
async function certificate() {
  const name = t`A trusted certificate`;
  if (location.protocol !== "https:") return { name, good: null, text: t`This page does not use one.` };
  if (!("serviceWorker" in navigator)) {
    const text = t`This browser does not say. If it warned you on the way here, it does not trust it.`;
    return { name, good: null, text };
  }
  try {
    const found = await navigator.serviceWorker.register("/static/pages/trust-probe.js", { scope: "/static/pages/trust-probe/" });
    await found.unregister();
    return { name, good: true, text: t`The browser knows who vouches for this server.` };
  } catch {
    return { name, good: false, text: t`The browser let you past its warning, for now.`, optional: true };
  }
}

/** @param {string | null} fingerprint */
function showSteps(fingerprint) {
  const agent = navigator.userAgent;
  const ios = /iPhone|iPad/.test(agent) || (agent.includes("Mac") && navigator.maxTouchPoints > 1);
  const android = agent.includes("Android");
  byId("steps", HTMLElement).hidden = false;
  byId("ios", HTMLElement).hidden = android;
  byId("android", HTMLElement).hidden = ios;
  byId("others", HTMLElement).hidden = ios || android;
  byId("check-it", HTMLElement).hidden = false;
  setText(byId("fingerprint", HTMLElement), fingerprint ?? "");
}

/** @param {Check} check */
function line({ name, good, text }) {
  const kind = good === null ? "open" : good ? "good" : "bad";
  const shown = { good: ["done", t`yes`], bad: ["warning", t`missing`], open: ["wait", t`not known`] }[kind];
  return make(
    "li",
    { "data-kind": kind },
    icon(shown?.[0] ?? ""),
    make("p", { class: "name" }, `${name}: ${shown?.[1] ?? ""}`),
    make("p", {}, text),
  );
}
