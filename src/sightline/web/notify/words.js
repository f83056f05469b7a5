/** A rule's event as a notification, the same from a page and from Web Push. Pure, so that each can be tested. */

import { className, locale as chosen, t } from "../lib/i18n.js";

/**
 * @typedef {{id: string, stream: string, kind: string, at: number, rule?: string, class_name?: string, zone?: string,
 *   direction?: string, snapshot?: string, clip?: string, number?: number, phase?: string, actions?: string[], display_name?: string}} Alert
 *   an event, as `/ws` tells it and Web Push brings it; what is empty may be left out; `display_name`: what people call its stream
 */

/** True for what people are to be told. @param {Alert} event */
export function isAlert({ phase, actions }) {
  return phase === "start" && Boolean(actions?.includes("notify"));
}

/** @param {Alert} event */
export function titleOf(event) {
  return event.rule || calledOf(event);
}

/** What was seen, where and when. @param {Alert} event @param {string} [locale] @param {string} [timeZone] */
export function bodyOf(event, locale = chosen, timeZone = undefined) {
  const time = new Date(event.at * 1000).toLocaleTimeString(locale, { timeStyle: "medium", timeZone });
  return [seen(event), event.rule ? calledOf(event) : "", time].filter(Boolean).join(" · ");
}

/** @param {Alert} event */
function calledOf({ display_name, stream }) {
  return display_name || stream;
}

/** @param {Alert} event */
function seen({ class_name = "", zone = "", direction = "" }) {
  const who = className(class_name) || t`something`;
  if (direction) return t`${who} over ${zone || t`the line`}, ${{ in: t`in`, out: t`out` }[direction] ?? direction}`;
  if (!zone) return className(class_name);
  return t`${who} in ${zone}`;
}

/** Address of the page that shows it. @param {Alert} event */
export function pageOf({ id }) {
  return `/events?event=${encodeURIComponent(id)}`;
}

/** Address of the picture of what was seen, cut out; "" where there is none. @param {Alert} event */
export function pictureOf({ snapshot = "" }) {
  return snapshot.replace(/\/picture\.jpg$/, "/crop.jpg");
}

/** True if a page that is in front of somebody shows the event anyway. @param {Alert} event @param {string} path */
export function showsIt({ stream }, path) {
  return path === "/events" || path === `/view/${stream}`;
}
