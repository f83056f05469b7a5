"""The viewer's page behind a slow link: it gets the newest pictures, the rest is counted, and the camera sends less."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest
from playwright.async_api import expect

from sightline import AsyncClient
from sightline.core.types import Image
from support.browsing import browsing, listen_for_errors
from support.serving import Json, serving
from support.slow_link import slow_link

RATE = 60_000
"""Bytes a second: two pictures of 30 KB."""
TARGET_MS = 400
"""Far below what that takes, and above what a busy machine adds by itself."""


def pictures() -> Iterator[Image]:
    """Noisy ones, as a camera's in the evening: about 30 KB at what the default preset asks for."""
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 12, (8, 360, 640, 3))
    for i in itertools.count():
        image = np.full((360, 640, 3), 90.0) + noise[i % 8]
        x = 20 + i * 37 % 560
        image[120:200, x : x + 60] += 100
        yield np.clip(image, 0, 255).astype(np.uint8)


async def take_all(client: AsyncClient, stream: str) -> None:
    async with aclosing(client.publish(stream, pictures())) as answers:
        async for _ in answers:
            pass


@pytest.mark.timeout(300)
async def test_a_viewer_on_a_slow_link_gets_the_newest_and_the_camera_is_asked_for_less() -> None:
    async with (
        serving("--model", "motion", env={"SIGHTLINE_TARGET_LATENCY_MS": str(TARGET_MS)}) as server,
        slow_link(server.url) as link,
        AsyncClient(server.ws) as client,
        browsing() as browser,
    ):
        publishing = asyncio.create_task(take_all(client, "door"))
        page = await browser.new_page()
        errors = listen_for_errors(page)
        await page.goto(f"http://127.0.0.1:{link.port}/view/door")
        await expect(page.locator("body")).to_have_attribute("data-state", "live")

        def viewer(stats: Json) -> Json:
            return dict((stats["streams"]["door"]["viewer_stats"] or [{}])[0])

        await server.until(lambda s: viewer(s).get("fps") is not None, seconds=60)
        link.rate = RATE
        stats = await server.until(lambda s: (viewer(s).get("latency_ms") or 0) > 300, seconds=60)
        before = viewer(stats)
        stats = await server.until(lambda s: s["streams"]["door"]["adaptive"]["quality"] < 0.5, seconds=60)
        assert stats["streams"]["door"]["adaptive"]["reason"]
        stats = await server.until(lambda s: viewer(s)["dropped"] > before["dropped"] + 20, seconds=60)
        after, stream = viewer(stats), stats["streams"]["door"]
        # Two under way and one in the mailbox; what was delivered before the page came is not among them.
        assert after["sent"] + after["dropped"] <= stream["delivered"]
        assert stream["received"] == stream["delivered"] + sum(stream["dropped"].values()) + stream["in_flight"]

        link.rate = 100e6
        await server.until(lambda s: (viewer(s).get("latency_ms") or 1e3) < 300, seconds=60)
        await server.until(lambda s: s["streams"]["door"]["adaptive"]["quality"] == 0.5, seconds=90)
        assert errors == []
        publishing.cancel()
        await asyncio.wait([publishing])
