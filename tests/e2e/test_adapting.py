"""The camera page in a real browser: it sends what the preset says, and obeys when it is asked for less."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.browsing import FAKE_CAMERA, SLOW_MS, browsing, camera_file
from support.inside import inside
from support.serving import Json, Running, peer, serving
from support.working import Slow, loading

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion", "--adaptive", "off") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser(assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    clip = assets / "videos" / "bottle-detection.mp4"
    played = camera_file(clip, tmp_path_factory.mktemp("camera"), start=120, count=60)
    async with browsing(*FAKE_CAMERA, f"--use-file-for-fake-video-capture={played}") as running:
        yield running


async def started(browser: Browser, server: Running, stream: str) -> Page:
    page = await (await browser.new_context()).new_page()
    await page.goto(f"{server.url}/camera/{stream}")
    await page.locator("#start").click()
    await expect(page.locator("body")).to_have_attribute("data-state", "live")
    return page


async def sizes(server: Running, stream: str, count: int) -> list[tuple[Json, int]]:
    """The metadata and JPEG bytes of so many pictures."""
    async with peer(f"{server.ws}/ws/view/{stream}") as viewer:
        got = [(await viewer.next("frame_metadata"))[0] for _ in range(count)]
    return [(meta, meta["jpeg_bytes"]) for meta in got]


async def asked(page: Page) -> Json:
    found: Json = json.loads(await page.locator("body").get_attribute("data-asked") or "{}")
    return found


async def test_the_default_preset_sends_at_most_a_megabyte_a_second(server: Running, browser: Browser) -> None:
    page = await started(browser, server, "frugal")
    got = await sizes(server, "frugal", 60)
    mean = sum(n for _, n in got) / len(got)

    assert {max(meta["width"], meta["height"]) for meta, _ in got} == {640}
    assert mean * 30 <= 1e6
    await page.close()


async def test_another_preset_is_chosen_on_the_page_and_stays_chosen(server: Running, browser: Browser) -> None:
    page = await started(browser, server, "chooser")
    await page.locator("#preset").select_option("mobile")
    await server.until(
        lambda s: s["streams"]["chooser"]["preset"] == "mobile" and s["streams"]["chooser"]["width"] == 480
    )
    await expect(page.locator("#asked")).to_contain_text("480 wide, quality 40 %")
    await page.reload()
    await expect(page.locator("#preset")).to_have_value("mobile")
    await server.until(lambda s: s["streams"]["chooser"]["width"] == 480)
    await page.close()


async def test_a_preset_that_is_set_elsewhere_reaches_the_page(server: Running, browser: Browser) -> None:
    page = await started(browser, server, "remote")
    answer = await server.http.patch("/api/streams/remote", json={"preset": "tunnel"})
    assert answer.status_code == 200
    await expect(page.locator("#preset")).to_have_value("tunnel")
    assert (await asked(page))["fps"] == 15
    await expect(page.locator("#asked")).to_contain_text("the preset is now tunnel")
    await server.until(lambda s: 5 < s["streams"]["remote"]["fps"] < 17)
    await page.close()


async def test_the_page_sends_less_when_it_is_late(browser: Browser, assets: Path) -> None:
    model = assets / "models" / "yolox_nano.onnx"
    options = ("--model", str(model), "--engine", "onnx", "--no-static-skip", "--target-latency-ms", "10")
    async with serving(*options) as server:
        page = await started(browser, server, "late")
        asked = "JSON.parse(document.body.dataset.asked)"
        less = f"() => {asked}.fps < 30 || {asked}.quality < 0.5"
        await page.wait_for_function(less, timeout=SLOW_MS)
        await expect(page.locator("#asked")).to_contain_text("Why:")
        stream = await server.stream("late")
        assert stream["adaptive"]["reduced"]
        assert stream["adaptive"]["reason"]
        await page.close()


async def test_every_page_says_why_a_stream_has_fewer_pictures(browser: Browser) -> None:
    """Fault 41: a clip that the server reads got worse, and the viewer's page showed a green "Live" and no reason."""
    sources = {"clip": "synthetic:?size=320x180&fps=30", "other": "synthetic:?size=320x180&fps=30"}
    async with (
        inside(load=loading(Slow(0.04)), sources=sources, static_skip=False) as server,
        peer(f"{server.ws}/ws?stream=other") as listener,
    ):
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{server.http}/view/clip")
        why = "2 streams share the model, which does"
        await expect(page.locator("#reduced")).to_contain_text(why, timeout=SLOW_MS)
        await expect(page.locator("#reduced")).to_contain_text("320 wide, quality 80 %")
        board = await page.context.new_page()
        await board.set_viewport_size({"width": 1280, "height": 60})  # a card in sight would be watched
        await board.goto(server.http)
        await expect(board.locator('[data-stream="clip"] .card-drops')).to_contain_text(why, timeout=SLOW_MS)
        await listener.ws.close()
        await expect(board.locator('[data-stream="other"]')).to_have_attribute("data-state", "resting", timeout=SLOW_MS)
        await expect(board.locator('[data-stream="other"] dd').nth(3)).to_have_text("\u2013")
        await page.context.close()
