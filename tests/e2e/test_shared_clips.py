"""What the timeline does besides playing, in real Chromium: a link for others, and when a stream is recorded."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from support.browsing import SLOW_MS, listen_for_errors
from support.recordings import PLACES, record
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
BEGAN = float(round(time.time()) - 3000)
FRAMES = 120


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    record(data / "recordings", "door", BEGAN, range(FRAMES))
    async with serving("--model", "motion", data=data) as running:
        yield running


async def test_a_link_is_made_played_and_taken_back(server: Running, browser: Browser) -> None:
    page = await browser.new_page()
    page.set_default_timeout(SLOW_MS)
    errors = listen_for_errors(page)
    await page.goto(f"{server.url}/timeline?stream=door&at={BEGAN + 2.05}")
    await expect(page.locator("body")).to_have_attribute("data-frame", "20")
    await page.get_by_label("From this picture on").select_option("10")
    await page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Whoever has it sees this time and nothing else")
    await expect(link).not_to_have_value("")
    other = await (await browser.new_context(viewport={"width": 390, "height": 800})).new_page()
    errors_there = listen_for_errors(other)
    await other.goto(await link.input_value())
    body = other.locator("body")
    await other.get_by_label("Speed").select_option("16")
    await expect(other.get_by_role("heading", level=1)).to_contain_text("door")
    await expect(body).to_have_attribute("data-state", "end")
    await expect(body).to_have_attribute("data-frame", str(FRAMES - 1))
    place = other.get_by_label("Place in the clip")
    await place.focus()
    await place.press("Home")
    await expect(body).to_have_attribute("data-frame", "20")
    assert 20 % PLACES == 20, "the box of this frame tells its number, see support.recordings"
    await expect(other.locator("#objects")).to_contain_text("1 person")
    file = await other.request.get(f"{server.url}{await other.locator('#file').get_attribute('href')}")
    assert (file.status, file.headers["content-type"]) == (200, "video/mp4")
    assert await other.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert errors_there == []
    await page.goto(f"{server.url}/settings#shares")
    await page.get_by_role("button", name="Take back the link to door").click()
    await expect(page.locator("#shares")).to_contain_text("There is none yet.")
    await expect(other.get_by_text("This link does not work")).to_be_visible()
    await expect(other.locator("#deck")).to_be_hidden()
    assert errors == []
    await other.context.close()
    await page.close()


async def test_the_file_of_an_export_is_shared(server: Running, browser: Browser) -> None:
    wish = {"from": BEGAN + 2, "to": BEGAN + 4}
    assert (await server.http.post("/api/recordings/door/exports", json=wish)).status_code == 201
    page = await browser.new_page()
    page.set_default_timeout(SLOW_MS)
    await page.goto(f"{server.url}/timeline?stream=door&at={BEGAN + 2.05}")
    await expect(page.locator("body")).to_have_attribute("data-frame", "20")
    await page.keyboard.press("e")
    await page.get_by_role("button", name="Share door").click()
    link = page.get_by_label("Link to door")
    await expect(link).to_be_focused()
    address = await link.input_value()
    await page.goto(address)
    await expect(page.locator("body")).to_have_attribute("data-state", "file")
    await expect(page.locator("#file")).to_have_attribute("href", f"/api/shared/{address.rpartition('/')[2]}/file")
    await page.close()


async def test_a_stream_is_recorded_at_given_times(server: Running, browser: Browser) -> None:
    await server.http.post("/api/streams", json={"id": "yard"})
    page = await browser.new_page()
    page.set_default_timeout(SLOW_MS)
    await page.goto(f"{server.url}/timeline?stream=yard")
    await page.get_by_label("Record by itself").select_option("always")
    times = page.get_by_label("At these times")
    await times.fill("at night")
    await times.press("Enter")
    await expect(page.locator("#record-why")).to_contain_text("mon-fri 22:00-06:00")
    await times.fill("Mon, Tue 22:00-06:00")
    await times.press("Enter")
    await expect(page.locator("#recorded")).to_contain_text("Always recorded. At mon-tue 22:00-06:00.")
    await expect(times).to_have_value("mon-tue 22:00-06:00")
    assert (await server.http.get("/api/streams/yard")).json()["record_schedule"] == "mon-tue 22:00-06:00"
    await page.close()
