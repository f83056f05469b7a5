"""Pictures whose EXIF data turns them, and pictures without their end, in a real browser."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sightline.core.types import Image
from support.browsing import SLOW_MS, browsing, listen_for_errors
from support.serving import peer, picture, pixels, serving
from support.turned import stored

WATCH = """async () => {
  const { SightlineViewer } = await import("/static/elements/sightline-viewer.js");
  globalThis.last = null;
  class Watching extends SightlineViewer {
    onframe({ meta }) {
      last = meta;
    }
  }
  customElements.define("watching-viewer", Watching);
  const viewer = document.createElement("watching-viewer");
  viewer.setAttribute("stream", "door");
  viewer.setAttribute("opacity", "0"); // the picture alone: the boxes come as data
  document.querySelector("main").append(viewer);
}"""
FOUND = """async () => {
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
  const canvas = document.querySelector("watching-viewer").shadowRoot.querySelector("canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const [xs, ys] = [[], []];
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] > 200 && data[i + 1] > 160 && data[i + 1] < 230 && data[i + 2] < 90) {
      xs.push((i / 4) % width);
      ys.push(Math.floor(i / 4 / width));
    }
  }
  const square = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  return { size: [width, height], square, meta: last };
}"""
"""Where the page shows the yellow square, and the last message."""


def scene(seq: int) -> Image:
    """A grey room with a yellow square that jumps to and fro and up and down."""
    image = np.full((180, 320, 3), 40, np.uint8)
    x, y = 10 + seq * 97 % 240, 10 + seq * 59 % 110
    image[y : y + 40, x : x + 50] = (40, 200, 240)
    return image


@pytest.mark.timeout(300)
async def test_boxes_lie_on_what_they_mean_however_the_camera_is_held() -> None:
    """Faults 3 and 9: the picture is shown upright, its size is that of the upright picture, and the boxes fit."""
    async with (
        serving("--model", "motion", "--no-static-skip") as server,
        browsing() as browser,
        peer(f"{server.ws}/ws/camera/door") as camera,
    ):
        await camera.send_frame(0, picture(0))
        page = await browser.new_page()
        errors = listen_for_errors(page)
        await page.goto(f"{server.url}/trust")
        await page.evaluate(WATCH)
        checked: Counter[int] = Counter()
        for seq in range(1, 60):
            number = (1, 6, 2, 8, 3, 7)[seq // 10]
            jpeg = stored(scene(seq), number)
            await camera.send_frame(seq, jpeg[:-2] if seq % 2 else jpeg)
            answer, _ = await camera.next("result", "dropped")
            assert answer["type"] == "result"
            await page.wait_for_function("seq => last?.frameNumber >= seq", arg=seq, timeout=SLOW_MS)
            found = await page.evaluate(FOUND)
            meta, (width, height) = found["meta"], found["size"]
            assert (meta["width"], meta["height"]) == (320, 180), number
            boxes = np.array([row["xyxy"] for row in meta["detections"]]).reshape(-1, 4)
            across = min(width / 320, height / 180)
            boxes = boxes * across + [(width - 320 * across) / 2, (height - 180 * across) / 2] * 2
            least, most = np.array(found["square"]) - 14, np.array(found["square"]) + 14
            # The model needs a few pictures to know the background, and may find where the square was before.
            inside = (boxes[:, :2] >= least[:2]).all(axis=1) & (boxes[:, 2:] <= most[2:]).all(axis=1)
            if inside.any():
                checked[number] += 1
        assert min(checked[number] for number in (6, 2, 8, 3, 7)) >= 8, checked
        snapshot = pixels((await server.http.get("/snapshot/door.jpg")).content)
        assert snapshot.shape == (180, 320, 3)
        assert errors == []
