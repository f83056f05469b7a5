/** Cameras of this machine: their list, how one is opened, and the words for when it does not open. */

import { t } from "../lib/i18n.js";

/**
 * @typedef {{kind: string, title: string, text: string, link?: {href: string, text: string}}} Problem
 * @typedef {{kind: "facing", facing: string} | {kind: "device", id: string}} Other the camera to switch to
 */

/** True if the browser hides cameras from this page, as it came over plain http from another machine. */
export function isInsecure() {
  return !navigator.mediaDevices?.getUserMedia;
}

/** True for phones and tablets, which switch the camera of a hidden page off. */
export function isPhone() {
  return matchMedia("(hover: none) and (pointer: coarse)").matches;
}

/**
 * Open a camera. Any other replaces a chosen one that is gone.
 *
 * @param {string} deviceId "" for any @param {number} width wanted, in pixels
 * @param {string} facing user or environment, where a side of a phone is wanted and no camera by name
 * @returns {Promise<MediaStream>}
 */
export async function openCamera(deviceId, width, facing = "") {
  /** @type {MediaTrackConstraints} */
  const video = { width: { ideal: width }, frameRate: { ideal: 30 } };
  if (facing) video.facingMode = { ideal: facing };
  else if (deviceId) video.deviceId = { exact: deviceId };
  try {
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    if (!deviceId || facing || (name !== "OverconstrainedError" && name !== "NotFoundError")) throw error;
    return openCamera("", width);
  }
}

/**
 * Cameras of this machine. Browsers name them only after the person has allowed one.
 *
 * @returns {Promise<{id: string, label: string}[]>}
 */
export async function listCameras() {
  if (isInsecure()) return [];
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices
    .filter((d) => d.kind === "videoinput" && d.deviceId)
    .map((d, i) => ({ id: d.deviceId, label: d.label || t`Camera ${i + 1}` }));
}

/**
 * The camera to switch to: a phone's other side, or else the next in the list. Null if there is none.
 *
 * @param {readonly {id: string}[]} cameras @param {string} current @param {string | undefined} facing of the current one
 * @returns {Other | null}
 */
export function nextCamera(cameras, current, facing) {
  if (cameras.length < 2) return null;
  if (facing === "user" || facing === "environment") {
    return { kind: "facing", facing: facing === "user" ? "environment" : "user" };
  }
  const at = cameras.findIndex(({ id }) => id === current);
  const next = cameras[(at + 1) % cameras.length];
  return next && next.id !== current ? { kind: "device", id: next.id } : null;
}

/** Call back once the person allows the camera in the browser's own settings. @param {() => void} then */
export async function whenAllowed(then) {
  try {
    const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("camera") });
    status.onchange = () => {
      if (status.state === "granted") then();
    };
  } catch {
    // This browser doesn't tell. The button stays.
  }
}

/** @param {{origin: string, port: string, pathname: string}} place @returns {Problem} */
export function insecureProblem(place) {
  const local = `http://localhost${place.port ? `:${place.port}` : ""}${place.pathname}`;
  return {
    kind: "insecure",
    title: t`The browser gives this page no camera`,
    text:
      t`Cameras are only for pages from https:// or from this same computer, and this one came from ${place.origin}. ` +
      t`For other devices the server must run with --lan. On its own computer, open the page as localhost:`,
    link: { href: local, text: local },
  };
}

/** A camera that does not open, in words for the person. @param {unknown} error of `openCamera` @returns {Problem} */
export function cameraProblem(error) {
  const name = error instanceof Error ? error.name : "";
  const known = PROBLEMS[name];
  if (known) return { kind: name, ...known };
  const said = error instanceof Error ? error.message : String(error);
  return { kind: "unknown", title: t`The camera doesn't open`, text: t`The browser says: ${said || name}` };
}

/** @type {Record<string, {title: string, text: string}>} */
const PROBLEMS = {
  NotAllowedError: {
    title: t`The camera is not allowed`,
    text:
      t`Allow it with the camera or lock symbol in the address bar; this page then goes on by itself. ` +
      t`If the browser doesn't ask, allow it in the system's privacy settings.`,
  },
  NotFoundError: {
    title: t`There is no camera`,
    text: t`Plug one in, or switch it on; this page then goes on by itself.`,
  },
  NotReadableError: {
    title: t`The camera is in use`,
    text: t`Another program or tab has it. Close that one, then try again.`,
  },
  OverconstrainedError: {
    title: t`The camera can't do this picture size`,
    text: t`Choose another size or another camera.`,
  },
  AbortError: { title: t`The camera didn't start`, text: t`Unplug it and plug it in again, then try again.` },
  SecurityError: {
    title: t`The browser's settings forbid cameras`,
    text: t`Allow cameras in its privacy settings, then try again.`,
  },
};

/** @type {Problem} */
export const UNPLUGGED = {
  kind: "unplugged",
  title: t`The camera is gone`,
  text: t`It was unplugged or switched off. Once it is back, this page goes on by itself.`,
};

/**
 * Call back when the machine changes its network, say from Wi-Fi to mobile data, if the browser tells.
 *
 * @param {() => void} then
 */
export function whenNetworkChanges(then) {
  const connection = /** @type {{connection?: EventTarget & {type?: string}}} */ (/** @type {unknown} */ (navigator))
    .connection;
  let type = connection?.type;
  connection?.addEventListener("change", () => {
    if (connection.type === type) return; // it only became quicker or slower
    type = connection.type;
    if (type && type !== "none") then();
  });
}
