"""The timeline in real Chromium: overlays are on exactly their frames, and what happened is found again."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from sightline.core.events import Event
from sightline.events.store import EventStore
from support.pages import open_timeline
from support.recordings import PLACES, record
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

BEGAN = float(round(time.time()) - 3000)
"""When the first of two files begins."""
AGAIN = BEGAN + 600
FRAMES = 120
READ = """() => {
  const canvas = document.querySelector("#canvas");
  const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const scale = Math.min(width / 320, height / 180);
  const [left, top] = [(width - 320 * scale) / 2, (height - 180 * scale) / 2];
  const at = (x, y) => 4 * (Math.round(top + y * scale) * width + Math.round(left + x * scale));
  let number = 0;
  for (let bit = 0; bit < 8; bit += 1) number += data[at((2 * bit + 1) * 20, 20)] > 120 ? 1 << bit : 0;
  for (let x = 0; x < 320; x += 0.25) {
    const [r, g, b] = data.slice(at(x, 150), at(x, 150) + 3);
    if (r < 90 && g > 150 && b > 170) return [number, Math.round((x - 10) / 10)];
  }
  return [number, -1];
}"""
"""The number in the pixels, and the one that the place of the box drawn over them tells; -1 without a box."""
WATCH = f"""async (count) => {{
  const read = {READ};
  const seen = new Map();
  while (seen.size < count) {{
    await new Promise(requestAnimationFrame);
    const [number, box] = read();
    if (seen.has(number) && seen.get(number) !== box) return [[number, box], [number, seen.get(number)]];
    seen.set(number, box);
  }}
  return [...seen];
}}"""
"""What was shown, picture by picture, until so many different ones were."""


STRIP_HAS = """at => {
  const { ariaValueMin, ariaValueMax } = document.querySelector(".strip-time");
  return +ariaValueMin <= at && at <= +ariaValueMax;
}"""


def happenings(folder: Path) -> None:
    store = EventStore(folder)
    for n, (kind, at) in enumerate((("zone", BEGAN + 4), ("rule", BEGAN + 8), ("zone", AGAIN + 3))):
        about: dict[str, Any] = {"id": f"e{n}", "stream": "door", "kind": kind, "class_name": "person", "zone": "lawn"}
        number = int(at * 1000)
        start = Event(phase="start", at=at, seq=n, number=number, **about)
        store.write(
            [(start, None), (Event(phase="end", at=at + 1, seq=n, number=number + 1, seconds=1, **about), None)]
        )
    store.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    for began in (BEGAN, AGAIN):
        record(data / "recordings", "door", began, range(FRAMES))
    happenings(data / "events")
    async with serving("--model", "motion", data=data) as running:
        yield running


async def shows(page: Page, number: int) -> None:
    await expect(page.locator("body")).to_have_attribute("data-frame", str(number))


async def test_overlays_are_on_exactly_their_frames(server: Running, browser: Browser) -> None:
    page, errors = await open_timeline(browser, server.url, f"stream=door&at={BEGAN + 1}")
    await shows(page, 10)
    for key, number in ((".", 11), (".", 12), (",", 11), (".", 12), (".", 13), ("ArrowRight", 63), ("ArrowLeft", 13)):
        await page.keyboard.press(key)
        await shows(page, number)
        assert await page.evaluate(READ) == [number, number % PLACES]
    await page.keyboard.press(" ")
    await expect(page.locator("body")).to_have_attribute("data-state", "playing")
    played = await page.evaluate(WATCH, 25)
    assert [(n, box) for n, box in played if box != n % PLACES] == []
    await page.locator("#speed").select_option("4")
    assert [(n, box) for n, box in await page.evaluate(WATCH, 10) if box != n % PLACES] == []
    await page.locator("#play").click()
    await expect(page.locator("body")).to_have_attribute("data-state", "paused")
    chip = page.locator('.chip[data-class="person"]')
    await chip.click()
    assert (await page.evaluate(READ))[1] == -1, "a class that is left out is not drawn"
    await chip.click()
    number, box = await page.evaluate(READ)
    assert box == number % PLACES
    await page.locator("#overlay").uncheck()
    assert await page.evaluate(READ) == [number, -1]
    assert errors == []
    await page.context.close()


async def test_the_strip_goes_where_the_picture_is(server: Running, browser: Browser) -> None:
    """A paused picture of another hour was shown while the strip stayed, and nothing said so."""
    page, errors = await open_timeline(browser, server.url, f"stream=door&at={BEGAN - 30 * 3600}")
    await shows(page, 0)
    await expect(page.locator("#notice")).to_contain_text("Nothing recorded for")
    await page.wait_for_function(STRIP_HAS, arg=BEGAN)
    await page.goto(f"{server.url}/timeline?stream=door&at={BEGAN + (FRAMES - 1) / 10}")
    await shows(page, FRAMES - 1)
    await page.locator("#length").select_option("600")
    await expect(page.locator("#notice")).to_be_empty()
    await page.keyboard.press(".")
    await shows(page, 0)
    await expect(page.locator("#notice")).to_contain_text("Nothing recorded for")
    await page.wait_for_function(STRIP_HAS, arg=AGAIN)
    assert errors == []
    await page.context.close()


async def test_what_happened_is_found_again(server: Running, browser: Browser) -> None:
    page, errors = await open_timeline(browser, server.url, f"stream=door&at={BEGAN}")
    await shows(page, 0)
    for press, number in (("n", 30), ("n", 70), ("n", 20), ("p", 70)):
        await page.keyboard.press(press)
        await shows(page, number)
    await page.locator("#kind").select_option("zone")
    await page.locator("#event-before").click()
    await shows(page, 30)
    assert await page.locator(".calendar-day:enabled").count() in (1, 2)
    await page.locator("#find-class").fill("person")
    await page.locator("#find .button").click()
    found = page.locator(".found")
    await expect(found).to_have_count(2)
    await page.wait_for_function("() => document.querySelector('.found img')?.naturalWidth === 240")
    await found.first.click()
    await shows(page, 0)
    assert AGAIN - 1 < float(await page.evaluate("document.body.dataset.at")) < AGAIN + 1
    lawn = {"points": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}
    await page.request.put(f"{server.url}/api/streams/door/zones/lawn", data=lawn)
    await page.reload()
    await page.locator("#find-place").select_option("zone=lawn")
    await page.locator("#find .button").click()
    await expect(found).to_have_count(3)
    await found.nth(1).click()
    await shows(page, 80)
    await page.goto(f"{server.url}/timeline?stream=door&at={AGAIN}")
    await shows(page, 0)
    strip = await page.locator(".strip-time").bounding_box()
    assert strip is not None
    span = await page.locator(".strip-time").evaluate("e => [+e.ariaValueMin, +e.ariaValueMax]")
    await page.mouse.move(strip["x"] + strip["width"] * (AGAIN - 300 - span[0]) / (span[1] - span[0]), strip["y"] + 60)
    await expect(page.locator(".preview-words")).to_have_text("Nothing recorded")
    assert errors == []
    await page.context.close()


async def test_a_class_is_found_by_what_people_call_it(server: Running, browser: Browser) -> None:
    """Only the model's own word was found: a German page shows others."""
    page, errors = await open_timeline(browser, server.url, f"stream=door&at={BEGAN}", locale="de-DE")
    await expect(page.locator("#find-known option[value=Person]")).to_have_count(1)
    for words, count in (("personen", 2), ("Hund", 0), ("Person", 2), ("", 2), ("Katze", 0), ("", 0), ("PERSON", 2)):
        await page.locator("#find-class").fill(words)
        await page.locator("#find .button").click()
        await expect(page.locator(".found")).to_have_count(count)
        if not words:
            await expect(page.locator("#find-words")).to_contain_text("Angeben, was gesucht wird")
    assert errors == []
    await page.context.close()


async def test_a_finger_scrubs_at_phone_width(server: Running, browser: Browser) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    page, errors = await open_timeline(browser, server.url, f"stream=door&at={BEGAN}", **phone)
    await page.locator("#length").select_option("600")
    box = await page.locator(".strip-time").bounding_box()
    assert box is not None
    span = await page.locator(".strip-time").evaluate("e => [+e.ariaValueMin, +e.ariaValueMax]")
    await page.touchscreen.tap(box["x"] + box["width"] * (BEGAN + 6 - span[0]) / (span[1] - span[0]), box["y"] + 20)
    await page.wait_for_function("at => Math.abs(document.body.dataset.at - at) < 3", arg=BEGAN + 6)
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    assert errors == []
    await page.context.close()
