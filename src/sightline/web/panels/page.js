/** Finds the elements that a page has from the start, fills in figures, and places icons. */

import { icon, setText } from "../lib/dom.js";

/**
 * The element with this id, which the page must have.
 *
 * @template {Element} T
 * @param {string} id @param {new () => T} type
 * @param {Element} [within] a part of the page: once it is gone, what is in it is found as before, and not what took its place
 * @returns {T}
 */
export function byId(id, type, within) {
  const element = within ? within.querySelector(`#${id}`) : document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`#${id}: expected a ${type.name}`);
  return element;
}

/** Show what people call the page's stream, and whether it is recorded. @param {string} name @param {string} what the page is @param {boolean} [recorded] */
export function showName(name, what, recorded = false) {
  setText(byId("stream", HTMLElement), name);
  const title = `${name} · ${what} · Sightline`;
  if (document.title !== title) document.title = title;
  byId("recording", HTMLElement).hidden = !recorded;
}

/** Figures of a bar or list. Each `[data-figure]` gets the text of its name. */
export class Figures {
  /** @type {Map<string, HTMLElement>} */
  #places = new Map();

  /** @param {ParentNode} root */
  constructor(root) {
    for (const element of root.querySelectorAll("[data-figure]")) {
      if (element instanceof HTMLElement) this.#places.set(element.dataset["figure"] ?? "", element);
    }
  }

  /** @param {Record<string, string>} texts */
  show(texts) {
    for (const [name, text] of Object.entries(texts)) {
      const place = this.#places.get(name);
      if (place) setText(place, text);
    }
  }

  /** The server says nothing of the stream any more. */
  gone() {
    this.show({ viewers: "–" });
    byId("recording", HTMLElement).hidden = true;
  }
}

/** Do something again and again. @param {number} ms @param {() => void} run @param {AbortSignal} [signal] ends it */
export function every(ms, run, signal) {
  if (signal?.aborted) return;
  const timer = setInterval(run, ms);
  signal?.addEventListener("abort", () => clearInterval(timer));
}

/** Put the icon that `data-icon` names in front of each such element's text. @param {ParentNode} root */
export function placeIcons(root = document) {
  for (const element of root.querySelectorAll("[data-icon]")) {
    if (element instanceof HTMLElement) element.prepend(icon(element.dataset["icon"] ?? ""));
  }
}

/** What was added to the page, by its address. @type {Map<string, Promise<void>>} */
const added = new Map();

/** Add a style sheet or a script to the page, unless it is there, and wait for it. @param {HTMLLinkElement | HTMLScriptElement} element */
export function loaded(element) {
  const address = element instanceof HTMLLinkElement ? element.href : element.src;
  const loading = added.get(address) ?? load(element);
  added.set(address, loading);
  loading.catch(() => added.delete(address));
  return loading;
}

/** @param {HTMLElement} element @returns {Promise<void>} */
function load(element) {
  return new Promise((resolve, reject) => {
    element.addEventListener("load", () => resolve());
    element.addEventListener("error", () => {
      element.remove();
      reject(new Error("not in this build"));
    });
    document.head.append(element);
  });
}
