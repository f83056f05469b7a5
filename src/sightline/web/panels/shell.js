/** Parts of all pages: icons, the theme switch, and the sheet that a phone shows instead of a panel. */

import { t } from "../lib/i18n.js";
import { remember } from "../lib/storage.js";
import { streamOf } from "../lib/stream-name.js";
import { byId, placeIcons } from "./page.js";

export function setUpShell() {
  setUpMain(document);
  setUpTheme();
  if (/^\/(view|camera)\//.test(location.pathname)) leadTo(streamOf(location.pathname));
  setUpSections();
  addEventListener("load", () => void registerWorker());
}

/** What a page's main part has of it. @param {ParentNode} root */
export function setUpMain(root) {
  placeIcons(root);
  setUpSheet();
}

/** Have the service worker for all pages: null where this browser has none for modules, or does not trust the address. */
export async function registerWorker() {
  const workers = navigator.serviceWorker; // not there over plain http, but on this computer itself
  return (await workers?.register("/static/notify/service-worker.js", { scope: "/", type: "module" }).catch(() => null)) ?? null;
}

/** An address with #rules or #zones opens that part of the panel. */
function setUpSections() {
  const open = () => {
    const details = document.getElementById(location.hash.slice(1));
    if (!(details instanceof HTMLDetailsElement)) return;
    if (document.getElementById("panel")?.dataset["open"] === "false") byId("sheet-handle", HTMLElement).click();
    details.open = true;
    details.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", open);
  open();
}

/** From a stream's page one goes to its own events, and to what is recorded of it. @param {string} stream */
export function leadTo(stream) {
  for (const link of document.querySelectorAll("a.to-events")) {
    if (link instanceof HTMLAnchorElement) link.search = `?stream=${stream}`;
  }
}

function setUpTheme() {
  const button = byId("theme", HTMLButtonElement);
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: light)");
  const isLight = () => (root.dataset["theme"] ? root.dataset["theme"] === "light" : system.matches);
  const say = () => {
    const text = isLight() ? t`Use dark colours` : t`Use light colours`;
    button.setAttribute("aria-label", text);
    button.title = text;
  };
  button.addEventListener("click", () => {
    const theme = isLight() ? "dark" : "light";
    root.dataset["theme"] = theme;
    remember("theme", theme);
    say();
  });
  system.addEventListener("change", say);
  say();
}

function setUpSheet() {
  const handle = document.getElementById("sheet-handle");
  const panel = document.getElementById("panel");
  if (!handle || !panel) return;
  const open = (/** @type {boolean} */ wanted) => {
    panel.dataset["open"] = String(wanted);
    handle.setAttribute("aria-expanded", String(wanted));
  };
  handle.addEventListener("click", () => open(panel.dataset["open"] !== "true"));
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || panel.dataset["open"] !== "true") return;
    open(false);
    handle.focus();
  });
  open(false);
}

/**
 * Wire a button that copies a field, and says so for a moment.
 *
 * @param {HTMLButtonElement} button @param {HTMLInputElement | HTMLTextAreaElement} field
 */
export function setUpCopy(button, field) {
  const label = button.querySelector("span");
  const before = label?.textContent ?? "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.addEventListener("click", async () => {
    const done = await copy(field);
    clearTimeout(timer);
    if (label) {
      label.textContent = done ? t`Copied` : t`Press Ctrl+C`;
      timer = setTimeout(() => (label.textContent = before), 2000);
    }
  });
  field.addEventListener("focus", () => field.select());
}

/** @param {HTMLInputElement | HTMLTextAreaElement} field */
async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    field.select(); // over plain http there is no clipboard for pages
    return document.execCommand("copy");
  }
}
