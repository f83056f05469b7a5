"""The main job, as a person does it: a real browser, a real clip as its camera, a real model, a real server."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.browsing import FAKE_CAMERA, SLOW_MS, browsing, camera_file
from support.pages import figure, open_page, sees, state
from support.rtsp import free_port
from support.serving import Json, Running, balanced, peer, picture, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
"""Pages are waited for this long: the machine may be busy, and a condition that never holds still fails."""


@pytest.fixture(scope="module")
def model(assets: Path) -> Path:
    return assets / "models" / "yolox_nano.onnx"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(model: Path) -> AsyncIterator[Running]:
    # A controller that asks for less on a busy machine would move the confidence from picture to picture.
    async with serving("--model", str(model), "--engine", "onnx", "--adaptive", "off") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    clip = assets / "videos" / "one-by-one-person-detection.mp4"
    played = camera_file(clip, tmp_path_factory.mktemp("camera"), start=120, count=60)
    async with browsing(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={played}") as running:
        yield running


async def boxes_drawn(page: Page) -> int:
    """Pixels of the canvas that have the first class's colour, as the palette has it."""
    return int(
        await page.evaluate(
            """async () => {
              const palette = await import("/static/lib/palette.js");
              const canvas = document.querySelector("#canvas");
              const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
              copy.drawImage(canvas, 0, 0);
              const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
              const [r, g, b] = palette.color(0);
              let n = 0;
              for (let i = 0; i < data.length; i += 4) {
                if (Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b) < 24) n += 1;
              }
              return n;
            }"""
        )
    )


async def run_on(folder: Path, model: Path) -> dict[int, list[Json]]:
    """The boxes that ``sightline run`` finds in a folder of pictures, by the number in the file's name."""
    out = folder.parent / "run.jsonl"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sightline", "run", str(folder), "--model", str(model)),
        *("--engine", "onnx", "--jsonl", str(out)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    return {int(Path(line["source"]).stem): line["detections"] for line in lines}


async def test_one_button_and_the_person_is_boxed_here_and_at_two_viewers(
    server: Running, browser: Browser, model: Path, tmp_path: Path
) -> None:
    camera, camera_errors = await open_page(browser, f"{server.url}/camera/hall")
    await state(camera, "idle")
    await camera.locator("#start").focus()
    await camera.keyboard.press("Enter")
    await state(camera, "live")
    await sees(camera)

    viewers = [await open_page(browser, f"{server.url}/view/hall") for _ in range(2)]
    for viewer, _ in viewers:
        await state(viewer, "live")
        await sees(viewer)
        await expect(viewer.locator("#objects")).to_contain_text("person")
    for on in (True, False):
        answer = await server.http.post("/api/recordings/hall/record", json={"on": on})
        assert answer.status_code == 200, answer.text
        for page in (camera, viewers[0][0]):
            await expect(page.locator("#recording")).to_be_visible(visible=on)

    # what the viewers are sent: the same pictures through `sightline run` have the same boxes
    folder = tmp_path / "frames"
    folder.mkdir()
    sent: dict[int, list[Json]] = {}
    async with peer(f"{server.ws}/ws/view/hall") as listener:
        while len(sent) < 25:
            message, data = await listener.next("frame_metadata")
            if data is not None and not message.get("reused"):
                (folder / f"{message['frameNumber']}.jpg").write_bytes(data[: message["jpeg_bytes"]])
                sent[message["frameNumber"]] = message["detections"]
            await listener.ws.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))
    assert sum(map(len, sent.values())) >= 20, "there is a person in nearly every frame"
    found = await run_on(folder, model)
    assert found.keys() == sent.keys()
    for number, boxes in sent.items():
        assert [b["class_name"] for b in boxes] == [b["class_name"] for b in found[number]]
        for ours, theirs in zip(boxes, found[number], strict=True):
            assert np.abs(np.subtract(ours["xyxy"], theirs["xyxy"])).max() <= 1
            assert abs(ours["confidence"] - theirs["confidence"]) < 0.01

    # the overlay is drawn on the picture, and can be switched off
    viewer = viewers[0][0]
    await sees(viewer)
    assert await boxes_drawn(viewer) > 200
    await viewer.locator("#overlay").uncheck()
    shown = int(await figure(viewer, "shown"))
    await viewer.wait_for_function(
        "n => Number(document.querySelector('[data-figure=shown]').textContent) > n + 2", arg=shown, timeout=SLOW_MS
    )
    assert await boxes_drawn(viewer) < 200

    # acknowledged and reported; the figures are there and the ledger balances
    stats = await server.until(lambda s: sum(bool(v["fps"]) for v in s["streams"]["hall"]["viewer_stats"]) == 2)
    assert stats["streams"]["hall"]["viewers"] == 2
    assert balanced(stats["streams"]["hall"])
    for page in (camera, viewer):
        assert re.fullmatch(r"[\d.]+", await figure(page, "fps"))
        assert re.search(r"\d", await figure(page, "latency"))
        assert await figure(page, "model") == "yolox_nano"

    await camera.locator("#stop").click()
    await state(camera, "idle")
    await expect(viewer.locator("#banner")).to_contain_text("The camera is gone")
    ended = await server.until(lambda s: s["streams"]["hall"]["in_flight"] == 0)
    assert balanced(ended["streams"]["hall"])
    await camera.locator("#start").click()
    await state(viewer, "live")
    assert camera_errors + [e for _, errors in viewers for e in errors] == []
    for page in (camera, *(v for v, _ in viewers)):
        await page.context.close()


async def test_full_screen_has_state_and_key_and_the_export_counts_what_the_page_counts(
    server: Running, browser: Browser, tmp_path: Path
) -> None:
    """Fault 54: a scene in which nothing moves is shown, and counted."""
    page, errors = await open_page(browser, f"{server.url}/view/still")
    await state(page, "waiting")  # it would not see pictures from before
    async with peer(f"{server.ws}/ws/camera/still") as still:
        results, seq = 0, 0
        while results < 30:
            seq += 1
            await still.send_frame(seq, picture(0))
            answer, _ = await still.next("result", "dropped")  # one that comes too soon is dropped
            if answer["type"] == "result":
                results += 1
                shown = "n => Number(document.body.dataset.frame ?? -1) >= n"
                await page.wait_for_function(shown, arg=seq, timeout=SLOW_MS)
        await page.locator("#run-json").scroll_into_view_if_needed()
        async with page.expect_download() as download:
            await page.locator("#run-json").click()
        saved = tmp_path / "run.json"
        await (await download.value).save_as(saved)
        assert json.loads(saved.read_text())["frames"] == 30
        assert int(await page.locator("body").get_attribute("data-shown") or 0) < 30, "some were still"

        await page.keyboard.press("f")
        await expect(page.locator("#panel")).to_be_hidden()
        for shown in ("#pill", "#bar", "#canvas", "#stream"):
            await expect(page.locator(shown)).to_be_visible()
        await expect(page.get_by_role("button", name="Leave full screen (F)")).to_be_visible()
        await page.keyboard.press("f")
        await expect(page.locator("#panel")).to_be_visible()
        await page.locator("#mode").focus()
        await page.keyboard.press("f")  # chooses in the list
        assert await page.evaluate("document.fullscreenElement") is None
    assert errors == []
    await page.context.close()


async def test_full_screen_of_a_phone_is_the_picture(server: Running, browser: Browser) -> None:
    """Fault 54: held upright or not, the picture takes what the screen has, and the way out is on it."""
    screen = {"width": 390, "height": 844}
    page, errors = await open_page(browser, f"{server.url}/view/pocket", viewport=screen, has_touch=True)
    await state(page, "waiting")
    async with peer(f"{server.ws}/ws/camera/pocket") as camera:
        await camera.send_frame(1, picture(1))
        await state(page, "live")
        await page.locator("#fullscreen").tap()
        leave = page.get_by_role("button", name="Leave full screen (F)")
        await expect(leave).to_be_visible()
        await expect(page.locator("#panel")).to_be_hidden()
        # Chromium leaves a page's size as the test has set it.
        for width, height in ((390, 844), (844, 390)):
            await page.set_viewport_size({"width": width, "height": height})
            room, box = await page.locator("#stage").bounding_box(), await leave.bounding_box()
            assert room is not None
            assert box is not None
            assert room["width"] == width
            assert room["height"] > 0.6 * height
            assert min(box["width"], box["height"]) >= 44
        await leave.tap()
        await expect(page.locator("#panel")).to_be_visible()
    assert errors == []
    await page.context.close()


async def test_the_pages_come_back_by_themselves_after_a_restart(browser: Browser) -> None:
    port = str(free_port())
    async with serving("--port", port) as first:
        camera, _ = await open_page(browser, f"{first.url}/camera/again")
        await camera.locator("#start").click()
        await state(camera, "live")
        viewer, _ = await open_page(browser, f"{first.url}/view/again")
        await state(viewer, "live")
        dashboard, _ = await open_page(browser, first.url)
        card = dashboard.locator("[data-stream=again]")
        await expect(card).to_have_attribute("data-state", "live")
        first.process.send_signal(signal.SIGKILL)
        await first.process.wait()
        await state(camera, "reconnecting")
        await expect(viewer.locator("#banner")).to_contain_text("server")
        # fault 51: nothing there claims to be live, and all of it can be read
        await expect(card).to_contain_text("Not known")
        await expect(dashboard.locator("#banner")).to_contain_text("Trying again")
        await expect(dashboard.locator("#retry")).to_be_visible()
        assert await dashboard.locator("#cards").evaluate("e => getComputedStyle(e).opacity") == "1"
    async with serving("--port", port):
        await state(camera, "live")
        await state(viewer, "live")
        await expect(card).to_have_attribute("data-state", "live")
    for page in (camera, viewer, dashboard):
        await page.context.close()


@pytest.mark.parametrize(
    ("switches", "says"),
    [
        (("--use-fake-device-for-media-stream",), "permission|allow|blocked"),
        (("--use-fake-ui-for-media-stream",), "no camera|find a camera|camera was found"),
    ],
    ids=["permission denied", "no camera"],
)
async def test_a_camera_that_cannot_be_had_says_why(server: Running, switches: tuple[str, ...], says: str) -> None:
    async with browsing(*switches) as browser:
        page, _ = await open_page(browser, f"{server.url}/camera/none")
        await page.locator("#start").click()
        await state(page, "error")
        await expect(page.locator("#banner")).to_contain_text(re.compile(says, re.I))
        await expect(page.locator("#start")).to_be_visible()


async def test_an_insecure_address_says_what_to_do(browser: Browser) -> None:
    async with serving(env={"SIGHTLINE_ALLOWED_HOSTS": '["cam.test"]'}) as server:
        port = server.url.rsplit(":", 1)[1]
        async with browsing(*FAKE_CAMERA, "--host-resolver-rules=MAP cam.test 127.0.0.1") as other:
            page, _ = await open_page(other, f"http://cam.test:{port}/camera/lan")
            await state(page, "error")
            await expect(page.locator("#banner")).to_contain_text(re.compile("https|localhost"))


async def test_a_switch_shows_whether_it_is_on_where_the_system_chooses_the_colours(
    server: Running, browser: Browser
) -> None:
    """Fault 52."""
    page, _ = await open_page(browser, f"{server.url}/view/forced", forced_colors="active", reduced_motion="reduce")
    looks = """e => [getComputedStyle(e).backgroundColor, getComputedStyle(e, "::before").backgroundColor,
      getComputedStyle(e, "::before").transform]"""
    switch = page.locator("#overlay")
    on = await switch.evaluate(looks)
    await switch.uncheck()
    await expect(switch).not_to_have_css("background-color", on[0])
    off = await switch.evaluate(looks)
    assert all(one != other for one, other in zip(on, off, strict=True))
    assert off[0] != off[1], "the knob can be seen"
    assert on[0] != on[1]
    await page.context.close()
