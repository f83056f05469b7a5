/** Sentences of the viewer's page for each situation. Pure, so that each can be tested. */

import { stateOf } from "../elements/viewer-status.js";
import { said, t } from "../lib/i18n.js";
import { refusal } from "../panels/words.js";

/**
 * @typedef {import("../elements/viewer-status.js").State} State
 * @typedef {import("../elements/viewer-status.js").Situation} Situation
 * @typedef {{
 *   state: State,
 *   pill: string,
 *   kind: "" | "good" | "warning" | "error",
 *   banner: import("../elements/state-banner.js").State | null,
 *   retry: boolean,
 *   small: boolean,
 * }} Words `retry`: offer to try at once; `small`: the picture goes on, the banner stays out of its way
 */

/**
 * @param {Situation} s @param {string} stream
 * @param {boolean} mayPublish whether this person may be the stream's camera
 * @returns {Words}
 */
export function viewWords(s, stream, mayPublish = true) {
  const state = stateOf(s);
  if (state === "paused") {
    return words("paused", t`Paused`, "warning", {
      title: t`Paused while you are elsewhere`,
      text: t`It goes on when you come back.`,
    });
  }
  if (s.phase !== "open") return serverWords(s, state);
  const start = mayPublish ? [{ text: t`Start this camera here`, href: `/camera/${stream}` }] : [];
  if (state === "waiting") {
    return words("waiting", t`Waiting`, "warning", {
      icon: "wait",
      title: t`Waiting for the camera`,
      text: s.reason
        ? t`No pictures: ${said(s.reason)}. They come by themselves once it is back.`
        : t`Nobody sends “${stream}” right now. The picture comes by itself once a camera does.`,
      actions: s.reason ? [{ text: t`All streams`, href: "/" }] : start,
    });
  }
  if (state === "gone") {
    return words("gone", t`Camera gone`, "warning", {
      icon: "off",
      kind: "warning",
      title: t`The camera is gone`,
      text: s.hadPicture
        ? t`This is its last picture. It goes on by itself once the camera is back.`
        : t`It goes on by itself once the camera is back.`,
      actions: start,
    });
  }
  if (state === "live") {
    return { ...words("live", s.hadPicture ? t`Live` : t`Starting`, s.hadPicture ? "good" : "", null), small: true };
  }
  if (state === "stalled") return { ...stalled(s.model), small: s.hadPicture };
  return words("connecting", t`Connecting`, "", null);
}

/** @param {Situation["model"]} model */
function stalled(model) {
  if (model.state === "loading") {
    return words("stalled", t`Model loading`, "warning", {
      title: t`The model is loading`,
      text: t`The picture comes as soon as the model is ready.`,
    });
  }
  const failed = model.state === "failed";
  return words("stalled", t`No new picture`, "warning", {
    icon: failed ? "warning" : "wait",
    kind: "warning",
    title: failed ? t`The model doesn't work` : t`No new picture for a while`,
    text: failed
      ? t`The cause is in the server's log.`
      : t`The camera is connected, but sends nothing, or the model has not answered.`,
  });
}

/** @param {Situation} s @param {State} state @returns {Words} */
function serverWords(s, state) {
  if (state === "connecting") return words(state, t`Connecting`, "", null);
  if (s.refused) {
    const { title, text, retry, actions = [] } = refusal(s.refused.code, s.refused.message);
    const banner = {
      icon: "warning",
      kind: /** @type {"warning" | "error"} */ (retry ? "warning" : "error"),
      title,
      text,
      actions,
      retryAt: s.retryAt,
    };
    return { ...words(state, retry ? t`Refused` : t`Problem`, retry ? "warning" : "error", banner), retry: true };
  }
  const banner = {
    icon: "off",
    kind: /** @type {const} */ ("warning"),
    title: s.hadServer ? t`The connection to the server is lost` : t`The server doesn't answer`,
    text: t`It may have been stopped, or the network is down. This page goes on by itself.`,
    retryAt: s.retryAt,
  };
  return { ...words(state, t`Reconnecting`, "warning", banner), retry: true };
}

/**
 * @param {State} state @param {string} pill @param {Words["kind"]} kind
 * @param {import("../elements/state-banner.js").State | null} banner
 * @returns {Words}
 */
function words(state, pill, kind, banner) {
  return { state, pill, kind, banner, retry: false, small: false };
}
