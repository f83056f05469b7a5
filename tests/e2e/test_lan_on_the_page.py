"""LAN mode from the page: phones are let in without a restart, the code is scanned, and it is closed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.axe import violations
from support.browsing import FAKE_CAMERA, SLOW_MS, visiting
from support.codes import decoded
from support.lan import needs_network
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300), needs_network]
TOO_WIDE = """() => [document.scrollingElement, ...document.querySelectorAll("dialog[open]")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.tagName)"""

CHROMIUM = FAKE_CAMERA


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with serving("--model", "motion", data=tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def closed(server: Running) -> AsyncIterator[None]:
    """A test that ends early, as where there is no axe, leaves it closed as well."""
    yield
    await server.http.delete("/api/lan")


async def looks_well(page: Page) -> None:
    """Hold it to what every page is held to: axe, and no room that is missing at 320 px."""
    await page.set_viewport_size({"width": 320, "height": 640})
    assert await page.evaluate(TOO_WIDE) == []
    await page.set_viewport_size({"width": 1280, "height": 800})
    assert await violations(page) == []


async def scanned(page: Page) -> str:
    """What a phone reads off the screen."""
    await page.locator("#invite-code").wait_for(timeout=SLOW_MS)
    url = await page.locator("#invite-link").input_value()
    async with asyncio.timeout(SLOW_MS / 1000):
        while decoded(await page.screenshot()) != url:  # it is there before it is painted
            pass
    return url


async def test_a_phone_is_let_in_and_it_is_closed_again(server: Running, browser: Browser) -> None:
    async with visiting(browser, server.url) as page:
        banner = page.locator("#lan")
        await page.get_by_role("button", name="Add a camera").click()
        await page.get_by_role("button", name="A phone").click()
        asked = page.get_by_role("dialog", name="Add a phone")
        await expect(asked).to_contain_text("until you close it or the server ends")
        await looks_well(page)
        await asked.get_by_role("button", name="Let phones in").click()
        url = await scanned(page)
        base = (await server.get("/api/lan"))["url"]
        assert url.startswith(f"{base}/join#")
        await expect(page.locator("#invite-lan")).to_contain_text("LAN mode is open since ")
        await looks_well(page)

        phone = await browser.new_context(
            ignore_https_errors=True, viewport={"width": 390, "height": 844}, permissions=["camera"]
        )
        there = await phone.new_page()
        await there.goto(url)
        await there.wait_for_url(f"{base}/camera/phone")
        await expect(there.locator("body")).to_have_attribute("data-state", "live")
        await expect(page.locator("#inviting-title")).to_have_text("“phone” is live")
        await page.get_by_role("button", name="Done").click()
        await expect(banner).to_contain_text(f"LAN mode is open at {base} since ")
        await expect(page.get_by_role("button", name="Add a phone")).to_be_visible()
        await looks_well(page)

        await banner.get_by_role("button", name="Close it").click()
        await expect(banner).to_be_hidden()
        await expect(page.get_by_role("button", name="Add a phone")).to_be_hidden()
        await expect(there.locator("body")).not_to_have_attribute("data-state", "live")
        await expect(page.locator('.card[data-stream="phone"]')).not_to_have_attribute("data-state", "live")
        assert (await server.get("/api/lan"))["open"] is False
        await phone.close()


async def test_it_is_opened_and_closed_on_the_page_of_settings(server: Running, browser: Browser) -> None:
    async with visiting(browser, f"{server.url}/settings") as page:
        part = page.locator("#lan")
        await expect(page.locator("#tokens-about")).to_contain_text("asks nobody for a token")
        await part.get_by_role("button", name="Let phones in").click()
        await expect(part).to_contain_text("LAN mode is open at https://")
        await expect(page.locator("#lan-title")).to_be_focused()
        await expect(page.get_by_role("button", name="Make a token")).to_be_visible()
        await looks_well(page)
        await part.get_by_role("link", name="Add a phone").click()
        await page.locator("#invite-code").wait_for(timeout=SLOW_MS)
        await page.locator("#invite-lan").get_by_role("button", name="Close it").click()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        await expect(page.locator("#lan")).to_be_hidden()
        assert (await server.get("/api/lan"))["open"] is False


async def test_where_it_can_not_be_opened_it_says_why(server: Running, browser: Browser) -> None:
    why = "this server stands behind a proxy, by whose address phones reach it"
    told = {"open": False, "url": None, "since": None, "here": True, "why_not": why}
    async with visiting(browser, f"{server.url}/help") as page:
        await page.route("**/api/lan", lambda route: route.fulfill(json=told))
        await page.goto(server.url)
        await page.get_by_role("button", name="Add a camera").click()
        await page.get_by_role("button", name="A phone").click()
        asked = page.get_by_role("dialog", name="Add a phone")
        await expect(asked).to_contain_text("This server stands behind a proxy")
        await expect(asked.get_by_role("button", name="Let phones in")).to_have_count(0)
        await asked.get_by_role("button", name="Back").click()
        await expect(page.get_by_role("dialog", name="Add a camera")).to_be_visible()
