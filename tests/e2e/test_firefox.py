"""Camera, viewer, WebRTC and embedding in a real Firefox.

Its camera page goes over WebSocket in the end: Firefox does not tell when a picture of a camera was taken, by which
results over WebRTC find their pictures.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support.browsing import SLOW_MS, browsing_firefox, listen_for_errors
from support.http_files import files
from support.serving import camera, serving

SHOWN = "() => Number(document.body.dataset.shown ?? 0) > 5"
ELEMENT = """<!doctype html><meta charset=utf-8><title>home</title>
<script type="module" src="{url}/embed.js"></script><sightline-viewer stream="door"></sightline-viewer>
<iframe src="{url}/embed/door"></iframe>"""
LIVE = """() => document.querySelector("sightline-viewer")?.status?.state === "live" """


@pytest.mark.timeout(300)
async def test_a_camera_is_watched_and_shown_elsewhere(tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    with files(pages) as home:
        env = {"SIGHTLINE_ALLOWED_ORIGINS": json.dumps([home])}
        async with (
            serving("--model", "motion", "--adaptive", "off", env=env) as server,
            camera(server, "door"),
            browsing_firefox(tmp_path) as browser,
        ):
            context = await browser.new_context()
            errors: list[str] = []

            async def opened(url: str) -> Page:
                page = await context.new_page()
                page.set_default_timeout(SLOW_MS)
                errors.extend(listen_for_errors(page))
                await page.goto(url)
                return page

            own = await opened(f"{server.url}/camera/hall?transport=webrtc")
            await own.locator("#start").click()
            await expect(own.locator("#transport")).to_contain_text("doesn't tell when a picture was taken")
            await expect(own.locator("body")).to_have_attribute("data-transport", "websocket")
            await expect(own.locator("body")).to_have_attribute("data-state", "live")
            for transport in ("websocket", "webrtc"):
                page = await opened(f"{server.url}/view/door?transport={transport}")
                await page.wait_for_function(SHOWN)
                await expect(page.locator("body")).to_have_attribute("data-transport", transport)
                await page.close()

            (pages / "home.html").write_text(ELEMENT.format(url=server.url), "utf-8")
            page = await opened(f"{home}/home.html")
            await page.wait_for_function(LIVE)
            frame = next(one for one in page.frames if one.url.startswith(server.url))
            await frame.wait_for_function(LIVE)

            page = await opened(server.url)
            await page.wait_for_function(
                "async () => (await navigator.serviceWorker.ready).active.state === 'activated'"
            )
            assert errors == []
