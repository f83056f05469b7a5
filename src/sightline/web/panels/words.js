/** Turns reasons and refusals of the server into sentences for a person. */

import { said, t } from "../lib/i18n.js";
import { isFinal } from "../wire/messages.js";

/** @type {Record<string, string>} */
const REASONS = {
  replaced: t`a newer picture came first`,
  unwatched: t`nobody was watching`,
  rate: t`came faster than the server takes them`,
  loading: t`the model was loading`,
  failed: t`the model failed on them`,
  closed: t`the connection ended`,
  adapted: t`fewer were asked for`,
  late: t`the server could not keep up with the camera`,
  undecodable: t`damaged on their way`,
  bad_image: t`not readable as a JPEG`,
  too_large: t`too large`,
};

/** Reason of dropped pictures in words. @param {string} reason */
export function reasonInWords(reason) {
  return REASONS[reason] ?? reason.replaceAll("_", " ");
}

/**
 * The server's request to a camera in words, with its reason.
 *
 * @param {import("../wire/messages.js").Knobs} knobs @param {string} reason
 */
export function askedInWords({ fps, quality, width }, reason) {
  const most = t`Up to ${Math.round(fps)} pictures a second, ${width} wide, quality ${Math.round(quality * 100)} %.`;
  return reason ? t`${most} Why: ${said(reason)}.` : most;
}

/**
 * What a stream's pictures are reduced to, with the reason; empty where they are not.
 *
 * @param {import("../wire/stream-stats.js").Adaptive | null} adaptive
 */
export function reducedInWords(adaptive) {
  if (!adaptive?.reduced) return "";
  const { imgsz, reason } = adaptive;
  return askedInWords(adaptive, imgsz === null ? reason : t`${said(reason)}. The model's input is ${imgsz} now`);
}

/**
 * @typedef {{title: string, text: string, actions?: import("../elements/state-banner.js").Action[]}} Told
 */

/** Refusals in words, by the server's code. @type {Record<string, Told>} */
const REFUSALS = {
  stream_busy: {
    title: t`This name is taken`,
    text: t`Another camera is sending under it. Stop that one, or choose another name.`,
  },
  limit_reached: { title: t`The server is full`, text: t`Someone has to leave first. This page then goes on by itself.` },
  idle_timeout: { title: t`The server heard nothing for a while`, text: t`It closed the connection.` },
  shutting_down: { title: t`The server is stopping`, text: t`This page goes on when it is back.` },
  model_failed: {
    title: t`The model doesn't work`,
    text: t`The cause is in the server's log. It can be started with another model.`,
  },
  unauthorized: {
    title: t`You are not signed in`,
    text: t`Scan a new code, or sign in with a token. An admin of this server makes codes on the start page.`,
    actions: [{ text: t`Sign in`, id: "sign-in", main: true, href: "/join" }],
  },
  forbidden: {
    title: t`The server doesn't allow that`,
    text: t`You signed in for something else, or this page's address is not the one that the server printed.`,
    actions: [
      { text: t`Sign in for this`, id: "sign-in", main: true, href: "/join" },
      { text: t`All streams`, href: "/" },
    ],
  },
  bad_request: {
    title: t`This name can't be used`,
    text: t`A name has 1 to 64 letters, digits, “-” or “_”. Choose another one on the start page.`,
    actions: [{ text: t`All streams`, href: "/" }],
  },
  no_webrtc: {
    title: t`WebRTC does not connect`,
    text: t`The network or this browser lets no video through, and the address of this page asks for nothing else.`,
    actions: [{ text: t`Take what works`, href: "?" }],
  },
  too_large: {
    title: t`The picture is too large for the server`,
    text: t`Choose a smaller picture size, then start again.`,
  },
};

/**
 * A refusal in words. Without `retry` the page does not try again by itself.
 *
 * @param {string} code @param {string} message the server's own sentence
 * @returns {Told & {retry: boolean}}
 */
export function refusal(code, message) {
  return { ...(REFUSALS[code] ?? { title: t`The server refused`, text: said(message) }), retry: !isFinal(code) };
}

/**
 * A page's transport in words.
 *
 * @param {import("../webrtc/choice.js").Transport} transport @param {string} why not the other one, "" if there is no reason
 */
export function transportInWords(transport, why) {
  if (transport === "webrtc") return t`Connected over WebRTC.`;
  return why ? t`${why}: using WebSocket.` : t`Connected over WebSocket.`;
}
