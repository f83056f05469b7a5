"""The events page in real Chromium: what happens appears with its picture, and nobody loses the place."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, expect

from sightline.core.events import Event
from sightline.events.store import EventStore
from support.browsing import listen_for_errors, opened
from support.rtsp import free_port
from support.serving import Running, serving
from support.walker import walking

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

DRIVE = {"points": [[0.4, 0.0], [0.6, 0.0], [0.6, 1.0], [0.4, 1.0]]}
GATE = {"points": [[0.5, 1.0], [0.5, 0.0]]}
PAST = 130
"""Happenings of the stream ``yard`` that are there from the start."""
LINES = 44
"""Of them, those over a line."""
FIRST_ROW = """() => {
  const [id, top] = [...document.querySelectorAll(".event-link")]
    .map((a) => [a.dataset.event, Math.round(a.getBoundingClientRect().top)])
    .find(([, top]) => top > 100);
  return { id, top };
}"""
"""The first row that is whole in sight, and where it is."""


def remember(folder: Path) -> None:
    """Store what happened in the yard, a minute apart, the newest an hour ago."""
    store = EventStore(folder)
    events = []
    for n in range(PAST):
        at = time.time() - 3600 - 60 * (PAST - n)
        number = int(at * 1000)
        kind, class_name = ("zone", "person") if n % 3 else ("line", "car")
        about = {"kind": kind, "class_name": class_name, "zone": "lawn" if n % 3 else "gate"}
        way = {} if n % 3 else {"direction": "in"}
        one: dict[str, Any] = {"id": f"past{n}", "stream": "yard", **about, **way}
        events.append(Event(phase="start", at=at, seq=n, number=number, **one))
        events.append(Event(phase="end", at=at + n % 3, seq=n + 5, number=number + 1, seconds=n % 3, **one))
    store.write([(event, None) for event in events])
    store.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    folder = tmp_path_factory.mktemp("events")
    remember(folder / "events")
    async with serving("--model", "nano", "--engine", "onnx", data=folder) as running:
        assert (await running.http.put("/api/streams/door/zones/drive", json=DRIVE)).status_code == 200
        assert (await running.http.put("/api/streams/door/lines/gate", json=GATE)).status_code == 200
        yield running


async def live_page(context: BrowserContext, url: str) -> Page:
    return await opened(context, url, "#pill:text-is('Live')")


async def rows(page: Page, least: int) -> None:
    await page.wait_for_function("n => document.querySelectorAll('.event').length >= n", arg=least)


async def test_what_happens_appears_and_moves_nothing(server: Running, context: BrowserContext) -> None:
    page = await live_page(context, f"{server.url}/events?stream=door")
    errors = listen_for_errors(page)
    await expect(page.locator("#nothing")).to_be_visible()
    async with walking(server, "door", time.time() * 1000 - 60_000) as walker:
        await walker.walk(0.2, 0.46)
        visit = page.locator(".event").filter(has_text="Person in drive")
        await expect(visit).to_have_attribute("data-lasting", "true")
        await expect(visit.locator(".pill")).to_be_visible()
        await page.wait_for_function("() => document.querySelector('.crop img')?.naturalWidth > 0")
        before = await page.evaluate(FIRST_ROW)
        await walker.walk(0.47, 0.56)
        fresh = page.locator("#show-fresh")
        await expect(fresh).to_have_text("1 new")
        assert await page.title() == "(1) Events · Sightline"
        assert await page.evaluate(FIRST_ROW) == before
        await fresh.click()
        await expect(page.locator(".event-what").first).to_have_text("Person crossed gate, in")
        await expect(fresh).to_be_hidden()
        await walker.walk(0.57, 0.8)
        await expect(visit.locator(".event-what")).to_have_text(re.compile(r"Person in drive for 1\.\d s"))
        await expect(visit.locator(".pill")).to_be_hidden()
    await visit.locator("a").click()
    await page.wait_for_function("() => document.querySelector('#detail-picture').naturalWidth === 320")
    assert await page.locator("#detail-box").get_attribute("viewBox") == "0 0 320 180"
    await expect(page.locator("#detail-facts")).to_contain_text("drive")
    await expect(page.locator("#detail-watch")).to_have_attribute("href", "/view/door")
    async with page.expect_download() as download:
        await page.locator("#detail-json").click()
    saved = json.loads((await (await download.value).path()).read_text())
    assert saved == await server.get(f"/api/events/{saved['id']}")
    assert errors == []


async def test_back_leads_to_the_same_place(server: Running, context: BrowserContext) -> None:
    page = await live_page(context, f"{server.url}/events?stream=yard")
    await rows(page, 50)
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await rows(page, 100)
    await page.evaluate("scrollTo(0, 6000)")
    before = await page.evaluate(FIRST_ROW)
    await page.wait_for_function("() => history.state?.place")
    await page.locator(f"[data-event={before['id']}]").click()
    await expect(page).to_have_url(f"{server.url}/events?stream=yard&event={before['id']}")
    await page.locator("#detail-watch").click()
    await page.wait_for_url("**/view/yard")
    await page.go_back()
    await expect(page.locator("#detail")).to_be_visible()
    await page.wait_for_function(f"before => (({FIRST_ROW})()).id === before.id", arg=before)
    assert await page.evaluate(FIRST_ROW) == before
    await page.go_back()
    await expect(page.locator("#detail")).to_be_hidden()
    assert await page.evaluate(FIRST_ROW) == before
    await page.reload()
    await rows(page, 100)
    await page.wait_for_function(f"before => (({FIRST_ROW})()).top === before.top", arg=before)
    assert await page.evaluate(FIRST_ROW) == before
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await rows(page, PAST)
    await page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await expect(page.locator("#foot-words")).to_have_text("Those are all with these filters.")
    ids = await page.locator(".event").evaluate_all("all => all.map((one) => one.dataset.id)")
    assert ids == [f"past{n}" for n in reversed(range(PAST))]


async def test_filters_are_in_the_address(server: Running, context: BrowserContext) -> None:
    page = await live_page(context, f"{server.url}/events?stream=yard")
    await rows(page, 50)
    await page.locator("#filter-kind").select_option("line")
    await expect(page).to_have_url(f"{server.url}/events?stream=yard&kind=line")
    await expect(page.locator(".event")).to_have_count(LINES)
    assert set(await page.locator(".event-what").all_inner_texts()) == {"Car crossed gate, in"}
    await page.locator("#filter-class").fill("person")
    await page.locator("#filter-class").press("Enter")
    await expect(page.locator("#nothing")).to_be_visible()
    await page.locator("#filter-last").select_option("3600")
    await expect(page.locator("#any-time")).to_be_visible()
    await page.go_back()
    await page.go_back()
    await expect(page.locator(".event")).to_have_count(LINES)
    await expect(page.locator("#filter-class")).to_have_value("")
    await page.locator("#filters-clear").click()
    await expect(page).to_have_url(f"{server.url}/events")
    await page.goto(f"{server.url}/events?stream=yard&class=car&zone=gate&last=604800")
    await expect(page.locator(".event")).to_have_count(LINES)
    await expect(page.locator("#filter-last")).to_have_value("604800")
    await page.goto(f"{server.url}/events?stream=yard&kind=loiter")
    await page.locator("#no-filters").click()
    await rows(page, 50)


async def test_a_time_that_ends_before_it_begins_is_not_asked_for(server: Running, context: BrowserContext) -> None:
    page = await live_page(context, f"{server.url}/events?stream=yard&kind=line")
    await expect(page.locator(".event")).to_have_count(LINES)
    until = page.locator("#filter-until")
    await page.locator("#filter-last").select_option("Between …")
    await page.locator("#filter-since").fill("2026-03-02T10:00")
    await page.locator("#filter-since").press("Tab")
    address = re.compile(r"since=2026-03-02T\d\d%3A00Z$")
    await expect(page).to_have_url(address)
    await until.fill("2026-03-02T09:00")
    await until.press("Tab")
    await expect(page.locator("#filter-span-why")).to_have_text("It ends before it begins.")
    await expect(page).to_have_url(address)
    await until.fill("2026-03-02T11:00")
    await until.press("Tab")
    await expect(page).to_have_url(re.compile("until="))
    await expect(page.locator("#filter-span-why")).to_be_empty()


async def test_keys_lead_through_the_list(server: Running, context: BrowserContext) -> None:
    page = await live_page(context, f"{server.url}/events?stream=yard")
    await rows(page, 50)
    for key in ("j", "ArrowDown", "j", "k"):
        await page.keyboard.press(key)
    await expect(page.locator(f"[data-event=past{PAST - 2}]")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.locator("#detail")).to_be_visible()
    await page.keyboard.press("j")
    await expect(page).to_have_url(f"{server.url}/events?stream=yard&event=past{PAST - 3}")
    await page.keyboard.press("Escape")
    await expect(page.locator("#detail")).to_be_hidden()
    await expect(page.locator(f"[data-event=past{PAST - 3}]")).to_be_focused()
    await page.keyboard.press("/")
    await expect(page.locator("#filter-stream")).to_be_focused()


async def test_streams_are_called_what_people_call_them(server: Running, context: BrowserContext) -> None:
    camera = {"id": "yard", "name": "Behind the house", "source": "synthetic:street"}
    assert (await server.http.post("/api/streams", json=camera)).status_code == 201
    page = await live_page(context, f"{server.url}/events?stream=yard")
    await rows(page, 50)
    await expect(page.locator("#filter-stream option:checked")).to_have_text("Behind the house")
    await expect(page.locator(".event").first).to_contain_text("Behind the house")
    await page.locator(".event-link").first.click()
    await expect(page.locator("#detail-facts")).to_contain_text("Behind the house")
    await page.goto(f"{server.url}/models")
    await expect(page.locator(".model-used")).to_contain_text("Behind the house")
    assert (await server.http.delete("/api/streams/yard")).is_success


async def test_an_event_is_deleted_for_good_at_the_second_press(server: Running, context: BrowserContext) -> None:
    page = await live_page(context, f"{server.url}/events?stream=yard&event=past5")
    await expect(page.locator("#detail-title")).to_have_text("Person in lawn for 2 s")
    delete = page.locator("#detail-delete")
    await delete.click()
    await expect(delete).to_have_text("Delete for good")
    assert (await server.http.get("/api/events/past5")).status_code == 200
    await delete.click()
    await expect(page.locator("#detail")).to_be_hidden()
    await expect(page).to_have_url(f"{server.url}/events?stream=yard")
    assert (await server.http.get("/api/events/past5")).status_code == 404
    await page.goto(f"{server.url}/events?event=past5")
    await expect(page.locator("#notice")).to_have_text("That event is no longer kept.")


async def test_a_phone_has_room_for_all_of_it(server: Running, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True)
    page = await live_page(context, f"{server.url}/events")
    await rows(page, 50)
    for action in ("#filters-toggle", "#filters-toggle", ".event-link >> nth=1"):
        await page.locator(action).click()
        assert await page.evaluate("document.documentElement.scrollWidth") == 360
    size = await page.locator("#detail").bounding_box()
    assert size is not None
    assert (size["width"], size["height"]) == (360, 740)
    await context.close()


async def test_the_page_goes_on_after_the_server_was_killed(context: BrowserContext, tmp_path: Path) -> None:
    options = ("--model", "nano", "--engine", "onnx", "--port", str(free_port()))
    async with serving(*options, data=tmp_path) as first:
        assert (await first.http.put("/api/streams/door/zones/drive", json=DRIVE)).status_code == 200
        page = await live_page(context, f"{first.url}/events")
        async with walking(first, "door", time.time() * 1000 - 60_000) as walker:
            await walker.walk(0.2, 0.5)
            visit = page.locator(".event").filter(has_text="Person in drive")
            await expect(visit).to_have_attribute("data-lasting", "true")
            first.process.kill()
            await first.process.wait()
        await expect(page.locator("body")).to_have_attribute("data-state", "gone")
        await expect(page.locator("#banner")).to_contain_text("This page goes on by itself")
    async with serving(*options, data=tmp_path):
        await expect(page.locator("#pill")).to_have_text("Live")
        await expect(page.locator("#banner")).to_be_hidden()
        await expect(visit).to_have_attribute("data-lasting", "false")
        await visit.locator("a").click()
        await expect(page.locator("#detail-facts")).to_contain_text("the server was started anew")
