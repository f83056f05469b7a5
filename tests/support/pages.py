"""What tests of pages do in any browser."""

from __future__ import annotations

from typing import Any

from playwright.async_api import Browser, Page, expect

from support.browsing import SLOW_MS, listen_for_errors


async def open_page(browser: Browser, url: str, **context: Any) -> tuple[Page, list[str]]:
    page = await (await browser.new_context(**context)).new_page()
    page.set_default_timeout(SLOW_MS)
    errors = listen_for_errors(page)
    await page.goto(url)
    return page, errors


async def open_timeline(browser: Browser, url: str, query: str, **context: Any) -> tuple[Page, list[str]]:
    """The timeline at a server's address, once it stands at a recorded picture."""
    usual = {"viewport": {"width": 1280, "height": 800}}
    page, errors = await open_page(browser, f"{url}/timeline?{query}", **usual | context)
    await state(page, "paused")
    return page, errors


async def state(page: Page, wanted: str) -> None:
    await expect(page.locator("body")).to_have_attribute("data-state", wanted)


async def figure(page: Page, name: str) -> str:
    return await page.locator(f"[data-figure={name}]").inner_text()


async def sees(page: Page, least: int = 1) -> None:
    """Wait until a drawn frame had at least so many boxes."""
    await page.wait_for_function("n => Number(document.body.dataset.detections) >= n", arg=least, timeout=SLOW_MS)
