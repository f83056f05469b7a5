"""*Try again with …* on the timeline: a recording is looked at again, and both findings are shown on their frames."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from sightline.analytics.zones.board import ZoneBoard
from sightline.core.zones import Zone
from support.inside import Inside, inside
from support.pages import open_timeline
from support.squares import Squares, remember, walk

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BEGAN = float(round(time.time()) - 120)
UPPER = Zone(points=((0.3, 0.0), (0.7, 0.0), (0.7, 0.5), (0.3, 0.5)))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    data = tmp_path_factory.mktemp("data")
    remember(data, "door", BEGAN, walk(34), zones=ZoneBoard("door", {"lawn": UPPER}))
    async with inside(load=lambda key: Squares(), data=data) as running:
        yield running


async def test_a_recording_is_tried_again_and_the_frames_that_differ_show_both(
    browser: Browser, server: Inside
) -> None:
    page, errors = await open_timeline(browser, server.http, f"stream=door&at={BEGAN + 1}")
    await page.get_by_text("Try again with …").click()
    await page.get_by_label("Least confidence").fill("0.5")
    await page.get_by_role("button", name="Look again").click()
    result = page.locator(".replay-result")
    await expect(result).to_contain_text("34 of 34 frames differ")
    rows = page.locator(".replay-table tbody tr")
    said = [" ".join((await row.inner_text()).split()) for row in await rows.all()]
    assert {"dog: frames 34 0", "person: frames 34 34", "lawn: person entered 1 \u2013"} <= set(said)
    await page.get_by_role("button", name="Next frame that differs").click()
    await expect(page.locator("body")).not_to_have_attribute("data-at", f"{BEGAN + 1:.3f}")
    await expect(result).to_contain_text("Then person 90 %, dog 40 %. Now, dashed: person 90 %.")
    at = float(await page.locator("body").get_attribute("data-at") or 0)
    assert BEGAN + 1 < at < BEGAN + 1.2
    await page.get_by_role("button", name="Previous frame that differs").click()
    await expect(page.locator("body")).to_have_attribute("data-at", f"{BEGAN + 1:.3f}")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert errors == []
    await page.close()
