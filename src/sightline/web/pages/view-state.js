/** Sentences of the viewer's page for each situation. Pure, so that each can be tested. */

import { stateOf } from "../elements/viewer-status.js";
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
    return words("paused", "Paused", "warning", {
      title: "Paused while you are elsewhere",
      text: "It goes on when you come back.",
    });
  }
  if (s.phase !== "open") return serverWords(s, state);
  const start = mayPublish ? [{ text: "Start this camera here", href: `/camera/${stream}` }] : [];
  if (state === "waiting") {
    return words("waiting", "Waiting", "warning", {
      icon: "wait",
      title: "Waiting for the camera",
      text: s.reason
        ? `No pictures: ${s.reason}. They come by themselves once it is back.`
        : `Nobody sends “${stream}” right now. The picture comes by itself once a camera does.`,
      actions: s.reason ? [{ text: "All streams", href: "/" }] : start,
    });
  }
  if (state === "gone") {
    return words("gone", "Camera gone", "warning", {
      icon: "off",
      kind: "warning",
      title: "The camera is gone",
      text: s.hadPicture
        ? "This is its last picture. It goes on by itself once the camera is back."
        : "It goes on by itself once the camera is back.",
      actions: start,
    });
  }
  if (state === "live") {
    return { ...words("live", s.hadPicture ? "Live" : "Starting", s.hadPicture ? "good" : "", null), small: true };
  }
  if (state === "stalled") return { ...stalled(s.model), small: s.hadPicture };
  return words("connecting", "Connecting", "", null);
}

/** @param {Situation["model"]} model */
function stalled(model) {
  if (model.state === "loading") {
    return words("stalled", "Model loading", "warning", {
      title: "The model is loading",
      text: "The picture comes as soon as the model is ready.",
    });
  }
  const failed = model.state === "failed";
  return words("stalled", "No new picture", "warning", {
    icon: failed ? "warning" : "wait",
    kind: "warning",
    title: failed ? "The model doesn't work" : "No new picture for a while",
    text: failed
      ? "The cause is in the server's log."
      : "The camera is connected, but sends nothing, or the model has not answered.",
  });
}

/** @param {Situation} s @param {State} state @returns {Words} */
function serverWords(s, state) {
  if (state === "connecting") return words(state, "Connecting", "", null);
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
    return { ...words(state, retry ? "Refused" : "Problem", retry ? "warning" : "error", banner), retry: true };
  }
  const banner = {
    icon: "off",
    kind: /** @type {const} */ ("warning"),
    title: s.hadServer ? "The connection to the server is lost" : "The server doesn't answer",
    text: "It may have been stopped, or the network is down. This page goes on by itself.",
    retryAt: s.retryAt,
  };
  return { ...words(state, "Reconnecting", "warning", banner), retry: true };
}

/**
 * @param {State} state @param {string} pill @param {Words["kind"]} kind
 * @param {import("../elements/state-banner.js").State | null} banner
 * @returns {Words}
 */
function words(state, pill, kind, banner) {
  return { state, pill, kind, banner, retry: false, small: false };
}
