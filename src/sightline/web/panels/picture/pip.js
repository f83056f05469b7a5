/** The picture in a small window over all others, where the browser has that. */

import { make } from "../../lib/dom.js";
import { t } from "../../lib/i18n.js";
import { notice } from "../notice.js";

const FIRST_MS = 5_000;

/** @type {HTMLVideoElement | null} */
let video = null;

/** @param {HTMLCanvasElement} canvas */
export async function toggle(canvas) {
  if (!document.pictureInPictureEnabled) {
    notice(t`This browser has no picture in picture for pages.`);
    return;
  }
  if (document.pictureInPictureElement) {
    await document.exitPictureInPicture();
    return;
  }
  try {
    video ??= await playing(canvas);
    await video.requestPictureInPicture();
  } catch (error) {
    notice(t`The browser did not open the small window: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** A video of the canvas, out of sight. @param {HTMLCanvasElement} canvas */
async function playing(canvas) {
  const made = make("video", { class: "unseen", "aria-hidden": "true", playsinline: "" });
  made.muted = true;
  made.srcObject = canvas.captureStream();
  made.addEventListener("leavepictureinpicture", () => {
    made.remove();
    for (const track of /** @type {MediaStream} */ (made.srcObject).getTracks()) track.stop();
    video = null;
  });
  document.body.append(made);
  const begun = new Promise((resolve, reject) => {
    made.addEventListener("loadedmetadata", resolve, { once: true });
    setTimeout(() => reject(new Error("there is no picture")), FIRST_MS);
  });
  await made.play();
  await begun;
  return made;
}
