"""A pulled stream on the pages, in a real browser."""

from __future__ import annotations

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
        await page.goto(server.url)
        card = page.locator('[data-stream="door"]')
        await expect(card).to_have_attribute("data-state", "reconnecting")
        await expect(card).to_contain_text("Reconnecting")
        await expect(card).to_contain_text("nothing listens there. Trying again.")
        assert secret not in await page.content()
        await expect(card.get_by_label("Camera page of door")).to_be_hidden()  # the server is its camera
        with RtspServer(port, size=(320, 240)):
            await expect(card).to_have_attribute("data-state", "live")
            await expect(card.locator("img")).to_be_visible()
            viewer = await browser.new_page()
            errors += listen_for_errors(viewer)
            await viewer.goto(f"{server.url}/view/door")
            await expect(viewer.locator("body")).to_have_attribute("data-state", "live")
        await expect(viewer.locator("body")).to_have_attribute("data-state", "waiting")
        await expect(card).to_have_attribute("data-state", "reconnecting")
        assert errors == []
