"""A live picture in a page of another server: what the viewer gives to copy works where it is allowed alone."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Frame, Page, expect

from sightline.security.tokens import Store
from support.browsing import BROWSERS, SLOW_MS, browsing, browsing_with, listen_for_errors
from support.http_files import files
from support.serving import Running, peer, picture, serving

PICTURE = """() => {
  const viewer = document.querySelector("sightline-viewer");
  const canvas = viewer?.shadowRoot?.querySelector("canvas");
  if (viewer?.status?.state !== "live" || !canvas?.width) return false;
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 180 && value < 255);
}"""
"""True once the bright square of a live picture is drawn."""


OVER_WEBRTC = """() => {
  const viewer = document.querySelector("sightline-viewer");
  viewer.ontransport = (transport) => (globalThis.taken = transport);
  viewer.setAttribute("transport", "webrtc");
}"""


async def publish(server: Running, token: str) -> None:
    header = {"Authorization": f"Bearer {token}"}
    async with peer(f"{server.ws}/ws/camera/door", additional_headers=header) as camera:
        seq = 0
        while True:
            await camera.send_frame(seq, picture(seq))
            await camera.next("result", "dropped")
            await asyncio.sleep(0.05)
            seq += 1


async def copied(browser: Browser, server: Running, *, clipboard: bool) -> dict[str, str]:
    """What the viewer's page gives to copy, by its id. Firefox lets no test see the ``clipboard``."""
    permissions = ["clipboard-read", "clipboard-write"] if clipboard else []
    context = await browser.new_context(permissions=permissions)
    page = await context.new_page()
    errors = listen_for_errors(page)
    await page.goto(f"{server.url}/view/door")
    await page.locator("#links > summary").click()
    found = {}
    for name in ("element", "frame", "snapshot"):
        found[name] = await page.locator(f"#link-{name}").input_value()
        button = page.locator(f".link:has(#link-{name}) button")
        await button.click()
        if clipboard:
            await expect(button).to_contain_text("Copied")
            assert await page.evaluate("() => navigator.clipboard.readText()") == found[name]
    assert errors == []
    await context.close()
    return found


async def shows(place: Page | Frame) -> None:
    await place.wait_for_function(PICTURE, timeout=SLOW_MS)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", BROWSERS)
async def test_it_shows_on_pages_that_are_allowed_and_on_no_others(kind: str, tmp_path: Path) -> None:
    data, pages = tmp_path / "data", tmp_path / "pages"
    pages.mkdir()
    tokens = Store(data)
    admin, _ = tokens.create("admin", "*", lifetime=None)
    view, record = tokens.create("view", "door", lifetime=3600)
    with files(pages) as allowed, files(pages) as other:
        env = {"SIGHTLINE_TOKENS": "true", "SIGHTLINE_ALLOWED_ORIGINS": json.dumps([allowed])}
        async with serving("--model", "motion", data=data, env=env) as server, browsing_with(kind, tmp_path) as browser:
            server.http.headers["Authorization"] = f"Bearer {admin}"
            publishing = asyncio.create_task(publish(server, admin))
            links = await copied(browser, server, clipboard=kind == "chromium")
            for name, language, token in (("element", "en", view), ("frame", "en", view), ("wrong", "de", "slt_wrong")):
                html = links.get(name, links["element"])
                head = f"<!doctype html><html lang={language}><meta charset=utf-8><title>home</title>"
                text = head + html.replace("TOKEN", token)
                (pages / f"{name}.html").write_text(text, "utf-8")

            page = await browser.new_page()
            await page.goto(f"{allowed}/element.html")
            await shows(page)
            words = page.locator("sightline-viewer .words")
            await expect(words).to_be_hidden()
            await expect(page.locator("sightline-viewer p:not(.words)")).to_be_hidden()

            await page.evaluate(OVER_WEBRTC)
            await page.wait_for_function("() => globalThis.taken === 'webrtc'", timeout=SLOW_MS)
            await shows(page)

            framed = await browser.new_page()
            await framed.goto(f"{allowed}/frame.html")
            await shows(framed.frames[1])
            await server.until(lambda s: s["streams"]["door"]["viewers"] == 2)

            wrong = await browser.new_page()
            await wrong.goto(f"{allowed}/wrong.html")
            await expect(wrong.locator(".words")).to_contain_text("braucht ein Token")

            refused = await browser.new_page()
            await refused.goto(f"{other}/element.html")
            await expect(refused.locator("sightline-viewer")).to_contain_text(
                "its allowed_origins don't name this page"
            )
            assert await refused.evaluate("() => customElements.get('sightline-viewer') === undefined")
            await refused.goto(f"{other}/frame.html")
            await expect(refused.frame_locator("iframe").locator("body")).to_contain_text(
                re.compile("refused|blocked|will not allow")
            )
            assert (await server.stream("door"))["viewers"] == 2

            tokens.revoke(record.id)
            await expect(words).to_contain_text("was revoked")
            await expect(framed.frames[1].locator(".words")).to_contain_text("was revoked")
            assert view not in "".join(server.log)
            publishing.cancel()


@pytest.mark.timeout(300)
async def test_it_shows_in_a_browser_that_had_seen_the_server_before_the_setting(tmp_path: Path) -> None:
    """Both are on one machine, as Home Assistant often is: a browser keeps files for the two together."""
    with files(tmp_path) as home:
        async with serving("--model", "motion") as server, browsing() as browser:
            publishing = asyncio.create_task(publish(server, ""))
            page = await browser.new_page()
            await page.goto(f"{server.url}/embed/door")
            await expect(page.locator("canvas")).to_be_visible()
            await page.goto(f"{server.url}/settings")
            await page.get_by_role("textbox", name="Pages that may show streams").fill(home)
            await page.get_by_role("button", name="Save Pages that may show streams").click()
            await expect(page.get_by_text("Saved, and in force.")).to_be_visible()
            script = f'<script type="module" src="{server.url}/embed.js"></script>'
            (tmp_path / "page.html").write_text(f'{script}<sightline-viewer stream="door"></sightline-viewer>')
            await page.goto(f"{home}/page.html")
            await shows(page)
            publishing.cancel()
