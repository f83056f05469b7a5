"""The pages in each browser that people have, with a camera that a program or a made device is.

Elsewhere are those that Firefox can't run here: a clip as the camera's picture, touch, forced colours and names of
hosts are switches of Chromium, and Firefox tells Playwright of no download.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from support.browsing import BROWSERS, LOOK_AWAY, SLOW_MS, browsing_with
from support.pages import open_page, sees, state
from support.serving import Running, balanced, peer, picture, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(assets: Path) -> AsyncIterator[Running]:
    model = assets / "models" / "yolox_nano.onnx"
    async with serving("--model", str(model), "--engine", "onnx", "--adaptive", "off") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=BROWSERS)
async def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browsing_with(request.param, tmp_path_factory.mktemp("browser")) as running:
        yield running


async def test_the_dashboard_explains_itself_and_shows_what_is_live(server: Running, browser: Browser) -> None:
    page, errors = await open_page(browser, server.url)
    async with peer(f"{server.ws}/ws/camera/porch") as camera:
        await camera.send_frame(1, picture(1)[:-2])  # without its end
        await camera.next("result")
        card = page.locator("[data-stream=porch]")
        await expect(card).to_contain_text(re.compile(r"A part was missing in \d"))
        await expect(card).to_contain_text("yolox_nano")
        await expect(card).to_have_attribute("data-state", "live")
        await page.wait_for_function(
            "() => document.querySelector('[data-stream=porch] img')?.naturalWidth === 320", timeout=SLOW_MS
        )
    await expect(card).to_have_attribute("data-state", "waiting")
    await page.get_by_role("button", name="Add a camera").click()
    await page.get_by_role("button", name="Name the stream first…").click()
    await page.locator("#name").fill("not a name!")
    await page.locator("#naming-go").click()
    await expect(page.locator("#name-problem")).not_to_be_empty()
    await page.locator("#name").fill("garden")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/camera/garden")
    assert errors == []
    await page.context.close()


async def test_an_empty_dashboard_says_what_to_do(browser: Browser) -> None:
    async with serving() as empty:
        page, errors = await open_page(browser, empty.url)
        await expect(page.locator("#empty")).to_be_visible()
        await page.locator("#empty").get_by_role("button", name="Add a camera").click()
        await expect(page.get_by_role("button", name="This computer")).to_be_visible()
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="Show a drawn street").click()
        await expect(page.locator('[data-stream="Street"]')).to_be_visible()
        assert errors == []
        await page.context.close()


async def test_a_busy_stream_says_so_and_offers_another_name(server: Running, browser: Browser) -> None:
    async with peer(f"{server.ws}/ws/camera/taken") as camera:
        await camera.next("hello")
        page, _ = await open_page(browser, f"{server.url}/camera/taken")
        await page.locator("#start").click()
        banner = page.locator("#banner")
        await expect(banner).to_contain_text("This name is taken")
        await expect(banner.get_by_role("link", name=re.compile("Use .taken-2. instead"))).to_be_visible()
    await state(page, "live")  # it tried again by itself once the stream was free
    await page.context.close()


async def test_a_hidden_page_goes_on_sending_unless_it_shall_pause_and_viewers_read_why(
    server: Running, browser: Browser
) -> None:
    """Fault 57, and 53: a reload goes on by itself."""
    page, _ = await open_page(browser, f"{server.url}/camera/hidden")
    await page.locator("#start").click()
    await state(page, "live")
    viewer, _ = await open_page(browser, f"{server.url}/view/hidden")
    await state(viewer, "live")
    await page.evaluate(LOOK_AWAY, "hidden")
    before = (await server.stream("hidden"))["delivered"]
    await server.until(lambda s: s["streams"]["hidden"]["delivered"] > before + 10)
    await page.evaluate(LOOK_AWAY, "visible")

    await page.locator("#pause-hidden").check()
    await page.evaluate(LOOK_AWAY, "hidden")
    await state(page, "paused")
    await state(viewer, "waiting")
    await expect(viewer.locator("#banner")).to_contain_text("the camera's page is in the background")
    paused = await server.until(lambda s: s["streams"]["hidden"]["fps"] == 0)
    assert paused["streams"]["hidden"]["state"] == "paused"
    assert balanced(paused["streams"]["hidden"])
    await page.evaluate(LOOK_AWAY, "visible")
    await state(viewer, "live")

    await page.reload()
    await state(page, "live")
    await page.locator("#stop").click()
    await page.reload()
    await state(page, "idle")
    await page.context.close()
    await viewer.context.close()


async def test_objects_that_are_known_at_the_second_look_count_though_nothing_moves(
    server: Running, browser: Browser, assets: Path
) -> None:
    bus = (assets / "images" / "bus.jpg").read_bytes()
    page, errors = await open_page(browser, f"{server.url}/view/bus")
    await state(page, "waiting")
    async with peer(f"{server.ws}/ws/camera/bus") as camera:
        for seq in range(1, 100):
            await camera.send_frame(seq, bus)
            await camera.next("result", "dropped")
            if seq == 1:
                await sees(page)
                assert await page.locator("#so-far").is_hidden(), "seen once"
            elif await page.locator("#so-far").is_visible():
                break
        await expect(page.locator("#so-far")).to_contain_text("So far: ")
    assert errors == []
    await page.context.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_pages_fit_a_phone_and_every_control_has_a_name(server: Running, browser: Browser, scheme: Any) -> None:
    small = {"width": 320, "height": 640}
    for path in ("/", "/camera/small", "/view/small"):
        page, errors = await open_page(browser, server.url + path, viewport=small, color_scheme=scheme)
        await page.wait_for_load_state("networkidle")
        assert await page.evaluate("document.documentElement.scrollWidth") <= 320
        unnamed = await page.evaluate(
            """() => [...document.querySelectorAll("button, a, input, select")]
              .filter((e) => e.offsetParent && !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.title)
                && !e.closest("[aria-hidden=true]"))
              .map((e) => e.outerHTML)"""
        )
        assert unnamed == []
        assert errors == []
        await page.context.close()
