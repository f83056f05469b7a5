"""Rules on the viewer's page in real Chromium: made in the form, tried, fulfilled, switched, deleted and restored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, Route, expect

from support.browsing import listen_for_errors, opened
from support.clips import write_clip
from support.serving import Running, serving
from support.walker import walking

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DRIVE = {"points": [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]}
GATE = {"points": [[0.5, 1.0], [0.5, 0.0]]}
RULE = {"classes": ["person"], "zone": "drive", "for_s": 0.5, "cooldown_s": 0, "actions": ["webhook"]}
SAID = "When a person is in drive for 0.5 s: webhook."


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder: Path = tmp_path_factory.mktemp("rules")
    async with serving("--model", "nano", "--engine", "onnx", data=folder) as running:
        for stream in ("door", "yard"):
            for path, shape in (("zones/drive", DRIVE), ("lines/gate", GATE)):
                answer = await running.http.put(f"/api/streams/{stream}/{path}", json=shape)
                assert answer.status_code == 200
        yield running


async def rules_page(context: BrowserContext, server: Running, stream: str) -> Page:
    return await opened(context, f"{server.url}/view/{stream}?transport=websocket#rules", "#rules-body a")


async def rule_of(server: Running, stream: str, name: str) -> dict[str, object]:
    return dict((await server.get(f"/api/streams/{stream}/rules"))["rules"][name]["rule"])


async def test_where_nothing_has_happened_the_page_leads_to_drawing(server: Running, context: BrowserContext) -> None:
    async with walking(server, "hall") as walker:
        await walker.walk(0.1, 0.2)
        page = await context.new_page()
        await page.goto(f"{server.url}/events")
        await expect(page.locator("#empty")).to_be_visible()
        await page.locator("#empty-streams a", has_text="hall").click()
        await expect(page).to_have_url(f"{server.url}/view/hall#zones")
        await expect(page.locator("#zones")).to_have_attribute("open", "")


async def test_a_rule_is_made_by_keyboard_and_fulfilled(server: Running, context: BrowserContext) -> None:
    page = await rules_page(context, server, "door")
    errors = listen_for_errors(page)
    async with walking(server, "door", time.time() * 1000 - 60_000) as walker:
        await page.locator("#rule-new").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#rule-place option")).to_have_count(3)
        await page.locator("#rule-class").focus()
        await page.keyboard.type("person")
        await page.keyboard.press("Enter")
        await page.locator("#rule-place").select_option("zone:drive")
        for field, value in (("#rule-for_s", "0.5"), ("#rule-cooldown_s", "0")):
            await page.locator(field).fill(value)
        for action in ("notify", "mqtt", "command"):
            await page.locator(f"#rule-{action}").focus()
            await page.keyboard.press("Space")
        await expect(page.locator("#rule-sentence")).to_have_text(SAID)
        await expect(page.locator("#rule-name")).to_have_value("person-drive")
        await page.locator("#rule-name").press("Enter")
        row = page.locator("[data-rule=person-drive]")
        await expect(row).to_contain_text(SAID)
        await expect(row).to_contain_text("It has not been fulfilled yet.")
        assert (await rule_of(server, "door", "person-drive")).items() >= RULE.items()
        await walker.walk(0.2, 0.8)
        await expect(row).to_contain_text("Fulfilled once")
    await page.goto(f"{server.url}/events?stream=door&kind=rule")
    await expect(page.locator(".event-what")).to_contain_text("Person-drive: person in drive")
    assert errors == []


async def test_a_rule_is_switched_changed_deleted_and_restored(server: Running, context: BrowserContext) -> None:
    assert (await server.http.put("/api/streams/yard/rules/night", json=RULE)).status_code == 200
    page = await rules_page(context, server, "yard")
    row = page.locator("[data-rule=night]")
    held = asyncio.Event()

    async def hold(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/rules/night", hold)
    await row.get_by_role("switch").click()
    await expect(row.get_by_role("switch")).not_to_be_checked()
    await page.locator("#rule-of-night-edit").click()  # before the server has answered, or even heard of the switch
    await expect(page.locator("#rule-place")).to_have_value("zone:drive")
    async with page.expect_response("**/rules/night"):
        held.set()
    assert (await rule_of(server, "yard", "night"))["enabled"] is False
    await page.locator("#rule-place").select_option("line:gate")
    await page.locator("#rule-direction").select_option("in")
    await expect(page.locator("#rule-for_s")).to_be_hidden()
    await page.locator("#rule-save").click()
    await expect(row).to_contain_text("When a person crosses gate in: webhook.")
    before = await rule_of(server, "yard", "night")
    assert before["enabled"] is False, "a change does not switch it on"
    await page.locator("#rule-of-night-delete").click()
    await expect(row).to_have_count(0)
    assert (await server.get("/api/streams/yard/rules"))["rules"] == {}
    await page.locator("#rule-undo").click()
    await expect(row).to_be_visible()
    assert await rule_of(server, "yard", "night") == before


async def test_what_the_server_refuses_is_told_beside_its_field(server: Running, context: BrowserContext) -> None:
    page = await rules_page(context, server, "yard")
    await page.locator("#rule-new").click()
    await page.locator("#rule-for_s").fill("100000")
    await page.locator("#rule-save").click()
    await expect(page.locator("#rule-for_s-why")).to_have_text("Expected a number of seconds from 0 to 86400.")
    await expect(page.locator("#rule-for_s")).to_be_focused()
    await page.locator("#rule-for_s").fill("1")
    await page.locator("#rule-span").select_option("outside")
    await page.locator("#rule-begin").fill("08:00")
    await page.locator("#rule-save").click()
    await expect(page.locator("#rule-span-why")).to_contain_text("two times that differ")
    await expect(page.locator("#rule-for_s-why")).to_be_hidden()
    await page.locator("#rule-name").fill("no name")
    await page.locator("#rule-save").click()
    await expect(page.locator("#rule-name-why")).to_contain_text("letters, digits")
    await page.keyboard.press("Escape")
    await expect(page.locator("#rule-form")).to_be_hidden()


async def test_who_may_only_watch_sees_the_rules_and_no_way_to_change_them(
    server: Running, context: BrowserContext
) -> None:
    assert (await server.http.put("/api/streams/yard/rules/seen", json=RULE | {"zone": "gone"})).status_code == 200

    async def watching(route: Route) -> None:
        await route.fulfill(json={"tokens": True, "role": "view", "stream": "*"})

    await context.route("**/api/session", watching)
    page = await rules_page(context, server, "yard")
    row = page.locator("[data-rule=seen]")
    await expect(row).to_contain_text("There is no zone gone: set it, or choose another.")
    await expect(row.get_by_role("switch")).to_be_disabled()
    await expect(row.get_by_role("button")).to_have_count(0)
    await expect(page.locator("#rule-new")).to_be_hidden()


async def test_a_rule_is_tried_over_the_last_minutes_and_on_a_clip(
    server: Running, context: BrowserContext, assets: Path, tmp_path: Path
) -> None:
    page = await rules_page(context, server, "door")
    async with walking(server, "door", time.time() * 1000 - 30_000) as walker:
        await walker.walk(0.2, 0.8)
        await page.locator("#rule-new").click()
        await expect(page.locator("#rule-place option")).to_have_count(3)
        await page.locator("#rule-place").select_option("zone:drive")
        await page.locator("#rule-for_s").fill("0.5")
        await page.locator("#rule-test").click()
        await expect(page.locator(".trial")).to_contain_text("would have been fulfilled")
        await expect(page.locator(".fired li").last).to_contain_text("person")
        await page.locator("#rule-for_s").fill("500")
        await page.locator("#rule-test").click()
        await expect(page.locator(".trial")).to_contain_text("It would not have been fulfilled over the last")
        await page.locator("#rule-place").select_option("")
        await page.locator("#rule-for_s").fill("0")
        await page.locator("#rule-class").fill("person")
        await page.locator("#rule-class").press("Enter")
        bus = cv2.imread(str(assets / "images" / "bus.jpg"))
        assert bus is not None
        still = np.asarray(cv2.resize(bus, (480, 640)), np.uint8)
        clip = await asyncio.to_thread(write_clip, tmp_path / "bus.mp4", [still] * 20, fps=10)
        await page.locator("#rule-video").set_input_files(clip)
        await expect(page.locator(".trial")).to_contain_text("Over the clip's 1.9 s it would have been fulfilled")
        await expect(page.locator(".fired li").first).to_contain_text("person")
    await page.locator("#rule-video").set_input_files({"name": "x.mp4", "mimeType": "video/mp4", "buffer": b"no video"})
    await expect(page.locator("#rule-problem")).to_contain_text("can't be read as a video")
    await page.locator("#rule-when").select_option("stream")
    await expect(page.locator("#rule-test")).to_be_hidden()
