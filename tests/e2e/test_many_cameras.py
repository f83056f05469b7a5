"""Many cameras at a time, in a real browser: the start page's live pictures, tools and order, and the wall."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from support.browsing import LOOK_AWAY, browsing, listen_for_errors, moves
from support.serving import serving

CAMERAS = {f"cam{i}": f"synthetic:shapes?size=320x180&fps=10&seed={i}" for i in range(8)}


async def names(page: Page) -> list[str]:
    found: list[str] = await page.locator("#cards .card").evaluate_all("all => all.map(card => card.dataset.stream)")
    return found


@pytest.mark.timeout(300)
async def test_cameras_are_seen_found_and_arranged_and_fill_a_wall(tmp_path: Path) -> None:
    env = {"SIGHTLINE_SOURCES": json.dumps(CAMERAS)}
    async with serving("--model", "motion", env=env, data=tmp_path) as server, browsing() as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 600})
        errors = listen_for_errors(page)
        await page.goto(server.url)
        cards = page.locator("#cards .card")
        await expect(cards).to_have_count(8)
        await moves(page, cards.first.locator("canvas"))
        # What is out of sight rests, and so does all of it while the page is hidden.
        await server.until(lambda s: s["streams"]["cam0"]["wanted"] and not s["streams"]["cam7"]["wanted"])
        await page.evaluate(LOOK_AWAY, "hidden")
        await server.until(lambda s: not any(stream["wanted"] for stream in s["streams"].values()))
        await page.evaluate(LOOK_AWAY, "visible")
        await moves(page, cards.first.locator("canvas"))

        await page.get_by_label("Size").select_option("small")
        await server.until(lambda s: s["streams"]["cam7"]["wanted"])
        await page.get_by_label("Search streams").fill("cam3")
        await expect(cards).to_have_count(1)
        await expect(cards.get_by_role("button", name="Move cam3")).to_be_hidden()
        await page.get_by_label("Search streams").fill("no such camera")
        await expect(page.locator("#unfit")).to_have_text("No stream is called “no such camera”.")
        await page.get_by_label("Search streams").fill("")

        # By keyboard
        handle = page.get_by_role("button", name="Move cam1")
        await handle.focus()
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator("#moved")).to_have_text("cam1: 1 of 8")
        await expect(handle).to_be_focused()
        await server.until(lambda s: s["streams"][0]["name"] == "cam1", path="/api/streams")
        # By a group, and into it by drag
        await page.get_by_role("button", name="Manage cam5").click()
        await page.get_by_label("Group", exact=True).fill("Yard")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("heading", name="Yard")).to_be_visible()
        await page.get_by_role("button", name="Move cam0").hover()
        await page.mouse.down()
        box = await page.locator('[data-stream="cam5"]').bounding_box()
        assert box is not None
        await page.mouse.move(box["x"] + 20, box["y"] + 20, steps=3)
        await expect(page.locator('[data-stream="cam5"]')).to_have_attribute("data-drop", "before")
        await page.mouse.up()
        await server.until(lambda s: s["group"] == "Yard", path="/api/streams/cam0")
        await page.reload()
        await expect(page.get_by_label("Size")).to_have_value("small")
        await expect(cards).to_have_count(8)
        assert await names(page) == ["cam1", "cam2", "cam3", "cam4", "cam6", "cam7", "cam0", "cam5"]

        await page.get_by_role("link", name="Wall of Yard").click()
        tiles = page.locator(".tile")
        await expect(tiles).to_have_count(2)
        assert await tiles.evaluate_all("tiles => tiles.map(tile => tile.dataset.stream)") == ["cam0", "cam5"]
        await moves(page, tiles.last.locator("canvas"))
        await page.set_viewport_size({"width": 400, "height": 300})  # has room for one
        await expect(tiles).to_have_count(1)
        await expect(page.locator("#screen")).to_have_text("1 of 2")
        await page.keyboard.press("ArrowRight")
        await expect(tiles).to_have_text(["cam5"])
        await page.keyboard.press(" ")
        await expect(page.locator("#screen")).to_have_text("2 of 2, held")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        await page.keyboard.press("Escape")

        await page.set_viewport_size({"width": 1280, "height": 600})  # for both, which else take turns
        await page.goto(f"{server.url}/wall?streams=cam6,nobody")
        await expect(page.locator('[data-stream="nobody"]')).to_contain_text("no such stream")
        await server.until(lambda s: s["streams"]["cam6"]["wanted"])
        await server.http.patch("/api/streams/cam6", json={"paused": True, "name": "<b>Gate</b>"})
        await expect(tiles.first).to_have_text("<b>Gate</b>paused")
        await server.http.patch("/api/streams/cam6", json={"paused": False})
        await expect(tiles.first).to_have_attribute("data-state", "live")
        await moves(page, tiles.first.locator("canvas"))
        assert errors == []
