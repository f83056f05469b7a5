/** Cards are put elsewhere, by dragging their handles or by arrow keys on these. The server keeps the order. */

import { setData, setText } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { changeCamera } from "../../wire/cameras.js";

/** Arrow keys may be pressed several times before the place is right. */
const SETTLED_MS = 600;
/** Pixels from the window's edge within which dragging scrolls, and by how many at a time. */
const EDGE = 64;
const STEP = 24;

/** @type {Readonly<Record<string, number>>} */
const KEYS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/**
 * @param {HTMLElement} list of cards and headings @param {HTMLElement} told where it is said what happened
 * @param {(moving: boolean) => void} hold called when the order is the person's for a while, and when it was saved
 */
export function setUpMoving(list, told, hold) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** The card that keys have moved, until that is sent. @type {HTMLElement | null} */
  let moved = null;
  /** Moves that are under way, or not saved yet. */
  let moves = 0;
  /** One is saved after the other: the server gets them in the person's order. */
  let saving = Promise.resolve();
  list.addEventListener("keydown", (event) => {
    const handle = handleOf(event);
    const by = KEYS[event.key];
    if (!handle || !by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const card = cardOf(handle);
    if (!card) return;
    if (card !== moved) send();
    if (!step(card, by)) return;
    if (!moved) begin();
    moved = card;
    handle.focus();
    card.scrollIntoView({ block: "nearest" });
    setText(told, placeInWords(list, card));
    clearTimeout(timer);
    timer = setTimeout(send, SETTLED_MS);
  });
  list.addEventListener("pointerdown", (event) => {
    const card = cardOf(handleOf(event));
    if (!card || event.button !== 0) return;
    send();
    drag(card, event);
  });
  addEventListener("pagehide", send);

  function begin() {
    moves += 1;
    hold(true);
  }

  function end() {
    moves -= 1;
    if (!moves) hold(false);
  }

  /** Save what keys have moved, now. */
  function send() {
    clearTimeout(timer);
    const card = moved;
    moved = null;
    if (card) save(card);
  }

  /** @param {HTMLElement} card @param {PointerEvent} start */
  function drag(card, start) {
    start.preventDefault();
    begin();
    setData(card, "dragged", "true");
    const ending = new AbortController();
    const { signal } = ending;
    /** @type {{element: HTMLElement, after: boolean} | null} */
    let target = null;
    const mark = (/** @type {typeof target} */ next) => {
      if (target) delete target.element.dataset["drop"];
      target = next;
      if (next) setData(next.element, "drop", next.after ? "after" : "before");
    };
    const drop = (/** @type {boolean} */ take) => {
      const place = target;
      mark(null);
      ending.abort();
      delete card.dataset["dragged"];
      if (take && place) {
        if (place.after) place.element.after(card);
        else place.element.before(card);
        setText(told, placeInWords(list, card));
        save(card);
      } else end();
    };
    document.addEventListener("pointermove", ({ clientX, clientY, pointerId }) => {
      if (pointerId !== start.pointerId) return;
      if (clientY < EDGE) scrollBy(0, -STEP);
      else if (clientY > innerHeight - EDGE) scrollBy(0, STEP);
      mark(targetAt(list, card, clientX, clientY));
    }, { signal });
    document.addEventListener("pointerup", () => drop(true), { signal });
    document.addEventListener("pointercancel", () => drop(false), { signal });
    document.addEventListener("keydown", ({ key }) => key === "Escape" && drop(false), { signal });
  }

  /** @param {HTMLElement} card */
  function save(card) {
    const stream = card.dataset["stream"] ?? "";
    const change = { before: following(card)?.dataset["stream"] ?? null, group: groupOf(card) || null };
    saving = saving.then(async () => {
      const why = await changeCamera(stream, change);
      if (why) setText(told, why);
      end();
    });
  }
}

/** @param {Event} event */
function handleOf({ target }) {
  return target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(".move")) : null;
}

/** @param {Element | null} inside */
function cardOf(inside) {
  return /** @type {HTMLElement | null} */ (inside?.closest(".card") ?? null);
}

/** @param {Element | null} element */
const isCard = (element) => element?.classList.contains("card") ?? false;

/** Put a card one place on, over a heading into the next group. False at the ends. @param {HTMLElement} card @param {number} by */
function step(card, by) {
  const beside = by < 0 ? card.previousElementSibling : card.nextElementSibling;
  if (!beside || (!isCard(beside) && by < 0 && !beside.previousElementSibling)) return false;
  if (by < 0) beside.before(card);
  else beside.after(card);
  return true;
}

/** The card after this one in the same group: each hub keeps the order of its own. @param {HTMLElement} card */
function following(card) {
  let next = card.nextElementSibling;
  while (next instanceof HTMLElement && isCard(next) && next.dataset["hub"] !== card.dataset["hub"]) {
    next = next.nextElementSibling;
  }
  return isCard(next) ? /** @type {HTMLElement} */ (next) : null;
}

/** @param {HTMLElement} card */
function groupOf(card) {
  let before = card.previousElementSibling;
  while (before && isCard(before)) before = before.previousElementSibling;
  return before instanceof HTMLElement ? (before.dataset["name"] ?? "") : "";
}

/**
 * Where a card would come to lie.
 *
 * @param {HTMLElement} list @param {HTMLElement} card @param {number} x @param {number} y
 */
function targetAt(list, card, x, y) {
  const element = /** @type {HTMLElement | null} */ (document.elementFromPoint(x, y)?.closest(".card, .group") ?? null);
  if (!element || element === card || !list.contains(element)) return null;
  const { left, width } = element.getBoundingClientRect();
  return { element, after: !isCard(element) || x > left + width / 2 };
}

/** @param {HTMLElement} list @param {HTMLElement} card */
function placeInWords(list, card) {
  const cards = [...list.querySelectorAll(".card")];
  const group = groupOf(card);
  const where = t`${card.querySelector("h2")?.textContent}: ${cards.indexOf(card) + 1} of ${cards.length}`;
  return group ? t`${where}, in ${group}` : where;
}
