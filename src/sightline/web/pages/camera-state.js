/** Sentences of the camera page for each situation. Pure, so that each can be tested. */

import { t } from "../lib/i18n.js";
import { refusal } from "../panels/words.js";

/**
 * @typedef {"idle" | "starting" | "live" | "waiting" | "reconnecting" | "paused" | "error"} State
 * @typedef {"start" | "retry" | "rename"} ActionName
 * @typedef {{
 *   wanted: boolean,
 *   problem: import("../capture/devices.js").Problem | null,
 *   opening: boolean,
 *   paused: boolean,
 *   muted: boolean,
 *   barred: "" | "unauthorized" | "forbidden" | "pulled",
 *   phase: import("../wire/socket.js").Phase,
 *   retryAt: number,
 *   refused: {code: string, message: string} | null,
 *   hadServer: boolean,
 *   model: {state: string, message: string},
 *   unanswered: number,
 *   hadResult: boolean,
 * }} Situation `wanted`: the person pressed start; `barred`: why this page can't be the stream's camera, `pulled` where
 *   the server itself is; `unanswered`: milliseconds since the last result
 * @typedef {{
 *   state: State,
 *   pill: string,
 *   kind: "" | "good" | "warning" | "error",
 *   banner: import("../elements/state-banner.js").State | null,
 *   actions: ActionName[],
 *   small: boolean,
 * }} Words `small`: the picture goes on, the banner stays out of its way
 */

/** Situation of a camera page that was just opened. @param {Situation["problem"]} problem @returns {Situation} */
export function atRest(problem) {
  return {
    ...{ wanted: false, problem, opening: false, paused: false, muted: false, hadServer: false, hadResult: false },
    ...{ phase: "closed", retryAt: 0, refused: null, model: { state: "", message: "" }, unanswered: 0, barred: "" },
  };
}

const QUIET_MS = 3_000;
const FAILING_MS = 1_000;

/** @param {Situation} s @param {string} stream @returns {Words} */
export function cameraWords(s, stream) {
  if (s.barred) return barredWords(s.barred, stream);
  if (s.problem) return problemWords(s.problem);
  if (!s.wanted) return idle();
  if (s.paused) {
    return words("paused", t`Paused`, "warning", {
      icon: "off",
      title: t`Paused while you are elsewhere`,
      text: t`Viewers read that this page is in the background. It goes on when you come back.`,
    });
  }
  if (s.opening) {
    return words("starting", t`Starting`, "", {
      icon: "camera",
      title: t`Allow the camera`,
      text: t`If your browser asks, choose “Allow”. Pictures go to this Sightline server and nowhere else.`,
    });
  }
  if (s.phase !== "open") return serverWords(s);
  if (s.model.state === "loading") {
    return small("waiting", t`Model loading`, {
      title: t`The model is loading`,
      text: t`This is your camera's own picture. Boxes come as soon as the model is ready.`,
    });
  }
  if (s.muted) {
    return small("waiting", t`No picture`, {
      icon: "off",
      kind: "warning",
      title: t`The camera sends no picture`,
      text: t`Look for a privacy switch or a cover, or whether another program has taken the camera.`,
    });
  }
  // A single failure is only counted. That no other picture succeeds is worth a word.
  if (s.model.state === "failed" && (s.unanswered > FAILING_MS || !s.hadResult)) {
    return small("waiting", t`No results`, {
      icon: "warning",
      kind: "warning",
      title: t`The model doesn't work`,
      text: t`This is your camera's own picture. The cause is in the server's log.`,
    });
  }
  if (s.hadResult && s.unanswered < QUIET_MS) return { ...words("live", t`Live`, "good", null), small: true };
  if (s.unanswered < QUIET_MS) return { ...words("starting", t`Starting`, "", null), small: true };
  return small("waiting", t`No results`, {
    title: t`Waiting for the server's answer`,
    text: t`This is your camera's own picture.`,
  });
}

/** @param {Exclude<Situation["barred"], "">} barred @param {string} stream @returns {Words} */
function barredWords(barred, stream) {
  if (barred !== "pulled") {
    const { title, text, actions } = refusal(barred, "");
    return words("error", barred === "forbidden" ? t`Not allowed` : t`Not signed in`, "error", { icon: "key", title, text, ...(actions && { actions }) });
  }
  return words("error", t`No camera page`, "", {
    icon: "camera",
    title: t`The server itself reads this camera`,
    text: t`“${stream}” comes from a source that this server was started with. No other camera can take its place.`,
    actions: [
      { text: t`Watch it`, main: true, href: `/view/${stream}` },
      { text: t`All streams`, href: "/" },
    ],
  });
}

/** @returns {Words} */
function idle() {
  return words("idle", t`Off`, "", {
    icon: "camera",
    title: t`Your camera is off`,
    text: t`Start it to see what the model sees. Pictures go to this Sightline server and nowhere else. It keeps only those of events.`,
  });
}

/** @param {import("../capture/devices.js").Problem} problem @returns {Words} */
function problemWords({ kind, title, text, link }) {
  const banner = {
    icon: "warning",
    kind: /** @type {const} */ ("error"),
    title,
    text,
    actions: link ? [{ text: link.text, href: link.href }] : [],
  };
  return { ...words("error", t`Problem`, "error", banner), actions: kind === "insecure" ? [] : ["start"] };
}

/** @param {Situation} s @returns {Words} */
function serverWords(s) {
  if (s.refused) {
    const { title, text, retry, actions = [] } = refusal(s.refused.code, s.refused.message);
    const state = retry ? "reconnecting" : "error";
    return {
      ...words(state, retry ? t`Refused` : t`Problem`, retry ? "warning" : "error", {
        icon: "warning",
        kind: retry ? "warning" : "error",
        title,
        text,
        actions,
        retryAt: s.retryAt,
      }),
      small: s.hadServer,
      actions: s.refused.code === "stream_busy" ? ["rename", "retry"] : ["retry"],
    };
  }
  if (s.phase !== "waiting" && !s.hadServer) return { ...words("starting", t`Starting`, "", null), small: true };
  return {
    ...small("reconnecting", t`Reconnecting`, {
      icon: "off",
      kind: "warning",
      title: s.hadServer ? t`The connection to the server is lost` : t`The server doesn't answer`,
      text: t`It may have been stopped, or the network is down. This page goes on by itself.`,
      retryAt: s.retryAt,
    }),
    actions: ["retry"],
  };
}

/**
 * @param {State} state @param {string} pill @param {Words["kind"]} kind
 * @param {import("../elements/state-banner.js").State | null} banner
 * @returns {Words}
 */
function words(state, pill, kind, banner) {
  return { state, pill, kind, banner, actions: [], small: false };
}

/** @param {State} state @param {string} pill @param {import("../elements/state-banner.js").State} banner */
function small(state, pill, banner) {
  return { ...words(state, pill, "warning", banner), small: true };
}
