"""A pulled stream on the pages, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from support.browsing import browsing, listen_for_errors
from support.rtsp import RtspServer, free_port
from support.serving import serving


@pytest.mark.timeout(300)
async def test_the_card_says_that_a_camera_is_reconnected_and_the_viewer_shows_it_when_it_comes() -> None:
    port = free_port()
    secret = "c4n4ry"
    async with serving("--source", f"door=rtsp://me:{secret}@127.0.0.1:{port}/1") as server, browsing() as browser:
        page = await browser.new_page()
        errors = listen_for_errors(page)
        await page.set_viewport_size({"width": 1280, "height": 60})
        await page.goto(server.url)
        card = page.locator('[data-stream="door"]')
        await expect(card).to_have_attribute("data-state", "reconnecting")
        await expect(card).to_contain_text("Reconnecting")
        await expect(card).to_contain_text("nothing listens there. Trying again.")
        assert secret not in await page.content()
        await expect(card.get_by_label("Camera page of door")).to_be_hidden()  # the server is its camera
        viewer = await browser.new_page()
        errors += listen_for_errors(viewer)
        await viewer.goto(f"{server.url}/view/door")
        banner = viewer.locator("#banner")
        await expect(banner).to_contain_text("nothing listens there")  # fault 40: the same on every page
        await expect(banner).not_to_contain_text("Nobody")
        await expect(banner.get_by_role("link", name="All streams")).to_be_visible()
        await viewer.goto(f"{server.url}/camera/door")
        await expect(banner).to_contain_text("The server itself reads this camera")
        await expect(viewer.locator("#start")).to_be_hidden()
        with RtspServer(port, size=(320, 240)):
            await expect(card).to_have_attribute("data-state", "resting")  # fault 42: healthy, and nobody watches
            await expect(card).to_contain_text("Resting")
            await expect(card.locator("dl")).to_have_text(re.compile(r"fps\D+processing.*dropped\u2013$"))
            await page.set_viewport_size({"width": 1280, "height": 800})
            await expect(card.locator("canvas")).to_be_visible()
            await banner.get_by_role("link", name="Watch it").click()
            await expect(viewer.locator("body")).to_have_attribute("data-state", "live")
            await expect(card).to_have_attribute("data-state", "live")
        await expect(viewer.locator("body")).to_have_attribute("data-state", "waiting")
        await expect(banner).to_contain_text("No pictures: ")
        await expect(card).to_have_attribute("data-state", "reconnecting")
        assert errors == []
