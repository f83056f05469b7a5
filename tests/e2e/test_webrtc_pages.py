"""The pages over WebRTC, in a real browser: camera, viewer, and what they do where UDP doesn't get through."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.browsing import FAKE_CAMERA, SLOW_MS, browsing, chromium, listen_for_errors
from support.serving import Running, balanced, left, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]
NAME = "camera.example.com"
"""A name that is no neighbour's, so that pages try WebRTC by themselves."""
NO_PATH = "no UDP path: using WebSocket."
TRIES = 5
"""On a busy machine WebRTC may not be there within its three seconds."""
ALLOWED = {"SIGHTLINE_ALLOWED_HOSTS": json.dumps([NAME])}
NETWORK = """
ip link set lo up && ip link add cam0 type veth peer name cam1 && ip link set cam1 up && ip link set cam0 up &&
ip addr add 10.9.0.1/24 dev cam0 && ip route add default via 10.9.0.2 && exec "$@"
"""
NO_UDP = "ip rule add pref 20 table local && ip rule add pref 10 ipproto udp prohibit && ip rule del pref 0"

FOUND = """
async (enough) => {
  const files = new URL("..", document.querySelector("script[type=module]").src);  // the very modules of the page
  const { Shots } = await import(new URL("webrtc/camera.js", files));
  const { wallTime } = await import(new URL("webrtc/connection.js", files));
  const video = document.querySelector("#video");
  const offset = await new Promise((resolve) =>
    video.requestVideoFrameCallback((_, told) => resolve(told.captureTime - 1000 * told.mediaTime)),
  );
  const [kept, found, missed] = [[], [], []];
  const { createImageBitmap } = globalThis;
  const { take } = Shots.prototype;
  globalThis.createImageBitmap = (source, ...more) => {
    if (source === video) {
      const picture = new VideoFrame(video);
      kept.push(wallTime(offset + picture.timestamp / 1000));
      picture.close();
    }
    return createImageBitmap(source, ...more);
  };
  Shots.prototype.take = function (time) {
    const shot = take.call(this, time);
    (shot ? found : missed).push(time);
    return shot;
  };
  while (found.length + missed.length < enough) await new Promise((resolve) => setTimeout(resolve, 5));
  Object.assign(globalThis, { createImageBitmap });
  Object.assign(Shots.prototype, { take });
  return [found.length, missed.filter((time) => kept.some((at) => Math.abs(at - time) < 8)).length];
}
"""
"""Of so many results: those that found their pictures, and those that did not although the page kept these."""

LOOK_AT_SQUARE = """
async () => {
  const { frame, detections } = document.body.dataset;
  if (!Number(detections)) return { frame };
  const [r, g, b] = (await import("/static/lib/palette.js")).color(0);
  const canvas = document.querySelector("#canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
  const sides = { square: [1e9, -1], box: [1e9, -1] };
  for (let i = 0; i < data.length; i += 4) {
    const x = (i / 4) % canvas.width / canvas.width;
    const [cr, cg, cb] = [data[i], data[i + 1], data[i + 2]];
    const drawn = Math.abs(cr - r) + Math.abs(cg - g) + Math.abs(cb - b) < 24;
    const side = drawn ? sides.box : cr > 190 && cg > 150 && cb < 110 ? sides.square : null;
    if (side) { side[0] = Math.min(side[0], x); side[1] = Math.max(side[1], x); }
  }
  return { frame, ...sides };
}
"""


def named(server: Running) -> list[str]:
    """Switches for a fake camera and a server that is known by NAME."""
    secure = f"--unsafely-treat-insecure-origin-as-secure={server.url.replace('127.0.0.1', NAME)}"
    return [*FAKE_CAMERA, f"--host-resolver-rules=MAP {NAME} 127.0.0.1", secure]


def squares(path: Path) -> Path:
    """A clip of a bright square that jumps, as the fake camera plays it."""
    with path.open("wb") as out:
        for i in range(240):
            image = np.full((360, 640, 3), 40, np.uint8)
            image[120:240, 2 * left(i) : 2 * left(i) + 100] = (40, 200, 240)
            out.write(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes())
    return path


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--no-static-skip", "--adaptive", "off", env=ALLOWED) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(server: Running, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    clip = squares(tmp_path_factory.mktemp("camera") / "squares.mjpeg")
    async with browsing(*named(server), f"--use-file-for-fake-video-capture={clip}") as running:
        yield running


FIRST_PICTURE = """
addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
  if (document.body.dataset.frame) window.firstPicture ??= performance.now();
}).observe(document.body, { attributes: true }));
"""


async def open_page(browser: Browser, url: str) -> tuple[Page, list[str]]:
    page = await (await browser.new_context()).new_page()
    await page.add_init_script(FIRST_PICTURE)
    errors = listen_for_errors(page)
    await page.goto(url)
    return page, errors


async def is_over(page: Page, transport: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-transport", transport)
    await expect(page.locator("body")).to_have_attribute("data-state", "live")


async def boxes_on_the_square(page: Page) -> float:
    """Of the pictures that were looked at, the share in which every box lies on the square."""
    await page.locator("#mode").select_option("boxes")
    await page.locator("#labels").uncheck(force=True)
    seen: dict[str, bool] = {}
    looked: dict[str, Any] = {}
    try:
        async with asyncio.timeout(SLOW_MS / 1000):
            while len(seen) < 15:
                looked = await page.evaluate(LOOK_AT_SQUARE)
                square, box = looked.get("square", [1e9, -1]), looked.get("box", [1e9, -1])
                if square[1] > 0 and box[1] > 0:
                    seen.setdefault(looked["frame"], max(*square, *box) - min(*square, *box) < 100 / 640 + 0.04)
    except TimeoutError:
        raise AssertionError(f"{len(seen)} pictures with a box and the square; the last one: {looked}") from None
    return float(np.mean(list(seen.values())))


async def test_camera_and_viewer_over_webrtc_with_boxes_on_their_pixels(server: Running, browser: Browser) -> None:
    camera, camera_errors = await open_page(browser, f"{server.url}/camera/hall?transport=webrtc#start")
    viewer, viewer_errors = await open_page(browser, f"{server.url}/view/hall?transport=webrtc")
    for page in (camera, viewer):
        await is_over(page, "webrtc")
        await expect(page.locator("#transport")).to_have_text("Connected over WebRTC.")
        assert page.url.endswith("?transport=webrtc")
    await camera.wait_for_function("() => Number(document.body.dataset.answered) > 60", timeout=SLOW_MS)
    found, lost = await camera.evaluate(FOUND, 90)
    assert found > 9 * lost, "a result waits for the picture that the video is about to show"
    assert await boxes_on_the_square(camera) >= 0.9
    assert await boxes_on_the_square(viewer) >= 0.9
    assert (await server.stream("hall"))["viewers"] == 1

    # By itself a page takes the WebSocket here: both are on this machine.
    near, _ = await open_page(browser, f"{server.url}/view/hall")
    await is_over(near, "websocket")
    assert await near.locator("#transport").inner_text() == "Connected over WebSocket."

    await viewer.close()
    await server.until(lambda s: s["streams"]["hall"]["viewers"] == 1)
    await camera.locator("#stop").click()
    await server.until(lambda s: s["streams"]["hall"]["state"] == "waiting")
    ended = await server.until(lambda s: s["streams"]["hall"]["in_flight"] == 0)  # what the model had begun is finished
    stream = ended["streams"]["hall"]
    assert balanced(stream)
    await expect(near.locator("body")).to_have_attribute("data-state", "gone")
    await camera.locator("#start").click()  # at once again, under the same name
    await is_over(camera, "webrtc")
    assert camera_errors == viewer_errors == []


async def test_where_results_find_no_pictures_they_come_by_websocket(server: Running, browser: Browser) -> None:
    late = "const at = performance.timeOrigin; Object.defineProperty(performance, 'timeOrigin', { value: at + 10_000 })"
    said = ""
    for attempt in range(TRIES):
        page = await (await browser.new_context()).new_page()
        await page.add_init_script(late)  # as if the clock of the page and that of its video were apart
        await page.goto(f"{server.url.replace('127.0.0.1', NAME)}/camera/apart-{attempt}#start")
        await is_over(page, "websocket")
        await expect(page.locator("#transport")).to_contain_text("using WebSocket")
        said = await page.locator("#transport").inner_text()
        await page.close()
        if said != NO_PATH:
            break
    assert said == "the WebRTC connection broke (results come without their pictures): using WebSocket."


async def test_where_udp_is_blocked_pictures_come_by_websocket_and_the_reason_is_shown() -> None:
    chromium()
    if sys.platform != "linux" or os.geteuid() or not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("only root on Linux can make a network without UDP")
    program = await asyncio.create_subprocess_exec(
        *("unshare", "-n", "sh", "-c", NETWORK, "sh", sys.executable, __file__),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await program.communicate()
    text = said.decode()
    if "RTNETLINK" in text or "unshare:" in text:
        pytest.skip(f"no network namespace here: {text[:200]}")
    assert program.returncode == 0, text
    seen = json.loads(text.splitlines()[-1])
    for page in ("camera", "view"):
        assert seen[page]["transport"] == "websocket"
        assert seen[page]["words"] == NO_PATH


async def first_picture(page: Page) -> float:
    """Milliseconds from opening the page to its first picture."""
    found = await page.wait_for_function("() => window.firstPicture", timeout=SLOW_MS)
    return float(await found.json_value())


async def chosen(browser: Browser, url: str) -> str | None:
    """The transport by which a page becomes live."""
    page, _ = await open_page(browser, url)
    await expect(page.locator("body")).to_have_attribute("data-state", "live")
    transport = await page.locator("body").get_attribute("data-transport")
    await page.close()
    return transport


async def without_udp() -> None:
    """Runs in a network of its own: prints what the pages show once UDP is blocked there."""
    async with serving("--no-static-skip", env=ALLOWED) as server:
        url = server.url.replace("127.0.0.1", NAME)
        async with browsing(*named(server)) as browser:
            seen: dict[str, Any] = {}
            for attempt in range(TRIES):
                before = await chosen(browser, f"{url}/camera/before-{attempt}#start")
                if before == "webrtc":
                    break
            assert before == "webrtc"  # so it is UDP that makes the difference
            blocking = await asyncio.create_subprocess_exec("sh", "-c", NO_UDP)
            assert await blocking.wait() == 0
            camera, _ = await open_page(browser, f"{url}/camera/hall#start")
            await expect(camera.locator("#notice")).to_have_text(NO_PATH)
            await is_over(camera, "websocket")
            viewer, _ = await open_page(browser, f"{url}/view/hall")
            await is_over(viewer, "websocket")
            for name, page in (("camera", camera), ("view", viewer)):
                ms = await first_picture(page)
                words = await page.locator("#transport").inner_text()
                seen[name] = {"transport": "websocket", "words": words, "ms": ms}
    print(json.dumps(seen))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(without_udp())
