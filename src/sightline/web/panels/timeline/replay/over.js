/** Draws what is found now over a picture that shows what was found then: dashed, so that both can be told apart. */

/**
 * @param {CanvasRenderingContext2D} context @param {import("../../../wire/replays.js").Difference} difference
 * @param {import("../../../lib/geometry.js").Rect} place @param {number} ratio pixels of the canvas for one of the page
 */
export function drawNow(context, { width, height, now }, place, ratio) {
  const [across, down] = [place.width / width, place.height / height];
  context.save();
  for (const { xyxy: [x1, y1, x2, y2] } of now) {
    const box = /** @type {const} */ ([place.x + x1 * across, place.y + y1 * down, (x2 - x1) * across, (y2 - y1) * down]);
    context.lineWidth = 3 * ratio;
    context.strokeStyle = "#000";
    context.setLineDash([]);
    context.strokeRect(...box);
    context.lineWidth = 2 * ratio;
    context.strokeStyle = "#fff";
    context.setLineDash([6 * ratio, 5 * ratio]);
    context.strokeRect(...box);
  }
  context.restore();
}
