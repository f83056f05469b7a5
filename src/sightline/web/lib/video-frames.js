/** Waits for a video's next picture, on a page that may be in the background. */

const LOOK_MS = 500;
const EVERY_MS = 33;

/**
 * Call back once the video shows another picture. A hidden page shows none: there it calls back as often as the browser
 * lets timers run.
 *
 * @param {HTMLVideoElement} video @param {() => void} then
 */
export function nextFrame(video, then) {
  const tells = "requestVideoFrameCallback" in video;
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  let called = false;
  const once = () => {
    clearTimeout(timer);
    if (!called) then();
    called = true;
  };
  const wait = () => {
    timer = setTimeout(() => (tells && !document.hidden ? wait() : once()), tells ? LOOK_MS : EVERY_MS);
  };
  if (tells) video.requestVideoFrameCallback(once);
  wait();
}
