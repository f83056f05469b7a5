"""Two hubs in a real browser: any of them shows the streams of both, and a stream goes on where its hub dies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.browsing import FAKE_CAMERA, browsing, listen_for_errors, moves
from support.hubs import clustered


@pytest.mark.timeout(300)
async def test_any_hub_shows_all_streams_and_a_dead_ones_go_on(tmp_path: Path) -> None:
    sources = [f"--source=cam-{n}=synthetic:shapes?size=320x180&fps=10" for n in range(8)]
    async with clustered(tmp_path, 2, *sources) as cluster, browsing(*FAKE_CAMERA) as browser:
        here, there = cluster.addresses
        theirs, ours = cluster.named(there), cluster.named(here)
        page = await browser.new_page(viewport={"width": 1280, "height": 1400})
        errors = listen_for_errors(page)
        await page.goto(here)
        card = page.locator(f".card[data-stream={theirs}]")
        await expect(card).to_contain_text(f"on {there.partition('//')[2]}")
        await expect(page.locator(f".card[data-stream={ours}]")).to_contain_text(f"on {here.partition('//')[2]}")
        await moves(page, card.locator("canvas"))

        first_of_theirs = page.locator(f".card[data-hub='{there}']").first
        await first_of_theirs.locator(".move").focus()
        async with page.expect_response(lambda answer: answer.request.method == "PATCH") as moved:
            await page.keyboard.press("ArrowLeft")
        assert (await moved.value).status == 200, "it was to stand before a card of the other hub"

        sender = cluster.named(there, at="sent")
        phone = await browser.new_page()
        await phone.goto(f"{here}/camera/{sender}#start")
        stats = await cluster.hubs[there].until(
            lambda s: sender in s["streams"] and s["streams"][sender]["delivered"] > 2, seconds=60
        )
        assert stats["streams"][sender]["received"] > 2
        await page.goto(f"{here}/view/{theirs}")
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        await cluster.hubs[there].until(lambda s: s["streams"][theirs]["viewers"] >= 1)

        await cluster.kill(there)
        hub = cluster.hubs[here]
        wanted = asyncio.gather(
            hub.until(lambda s: theirs in s["streams"] and s["streams"][theirs]["viewers"] >= 1),
            hub.until(lambda s: sender in s["streams"] and s["streams"][sender]["delivered"] > 2),
        )
        await wanted
        await expect(page.locator("body")).to_have_attribute("data-state", "live")
        assert errors == []
