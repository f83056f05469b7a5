"""From a camera to a file in the hand: recorded, found on the timeline, looked at in another way, exported, played."""

from __future__ import annotations

import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from support.axe import violations
from support.clips import read_clip
from support.pages import open_timeline
from support.serving import Running, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]
FPS = 12
LAWN = {"points": [[0.3, 0.0], [0.7, 0.0], [0.7, 1.0], [0.3, 1.0]]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    data = tmp_path_factory.mktemp("data")
    source = f"yard=synthetic:shapes?size=320x180&fps={FPS}"
    options = ("--model", "motion", "--source", source)
    async with serving(*options, data=data, env={"SIGHTLINE_RECORD_FREE_GB": "0"}) as running:
        for answer in (
            await running.http.patch("/api/streams/yard", json={"record": "always"}),
            await running.http.put("/api/streams/yard/zones/lawn", json=LAWN),
        ):
            assert answer.is_success, answer.text
        await running.until(lambda r: len(r["events"]) > 0, path="/api/events?stream=yard&kind=zone")
        before = (await running.get("/stats"))["recordings"]["yard"]["written"]
        await running.until(lambda s: s["recordings"]["yard"]["written"] >= before + 4 * FPS)  # so much comes after it
        await running.http.patch("/api/streams/yard", json={"record": "off"})
        await running.until(lambda r: not r["segments"][0]["open"], path="/api/recordings/yard")
        yield running


async def times(page: Page) -> tuple[float, float]:
    """What is chosen of the strip."""
    edges = page.locator(".range-edge")
    return tuple([float(await edges.nth(n).get_attribute("aria-valuenow") or 0) for n in range(2)])  # type: ignore[return-value]


async def exported(page: Page, server: Running, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Press *Export*, wait, and download what was made."""
    before = len((await server.get("/api/exports"))["exports"])
    await page.locator(".export-how .main").click()
    await expect(page.locator(".export-row")).to_have_count(before + 1)
    row = page.locator(".export-row").first
    await expect(row).to_have_attribute("data-state", "done")
    async with page.expect_download() as waiting:
        await row.locator("a").click()
    download = await waiting.value
    target = folder / download.suggested_filename
    await download.save_as(target)
    return target, (await server.get("/api/exports"))["exports"][0]


async def test_from_an_event_to_a_file(server: Running, browser: Browser, tmp_path: Path) -> None:
    event = (await server.get("/api/events?stream=yard&kind=zone"))["events"][-1]
    page, errors = await open_timeline(browser, server.url, f"stream=yard&at={event['started_at'] - 1}")
    await page.keyboard.press("n")  # the event
    await page.wait_for_function("at => Math.abs(document.body.dataset.at - at) < 2.5", arg=event["started_at"])
    await page.keyboard.press("ArrowRight")  # scrubbed on
    await page.keyboard.press("ArrowLeft")
    await page.locator("#mode").select_option("boxes")
    await page.keyboard.press("[")
    await expect(page.locator("#exporting")).to_be_visible()
    begins = float(await page.evaluate("document.body.dataset.at"))
    for _ in range(20):
        await page.keyboard.press(".")
    await page.wait_for_function("at => document.body.dataset.at - at > 1", arg=begins)
    ends = float(await page.evaluate("document.body.dataset.at"))
    await page.keyboard.press("]")
    start, end = await times(page)
    assert abs(start - begins) < 1
    assert start < end
    assert abs(end - ends) < 2

    await page.get_by_label("Picture", exact=True).select_option("drawn")
    film, told = await exported(page, server, tmp_path)
    assert (told["kind"], told["mode"], told["state"]) == ("drawn", "boxes", "done")
    at, images = read_clip(film)
    lines = [line for one in await recorded(server) for line in one if told["from"] <= line["at"] <= told["to"]]
    inferred = [line for line in lines if "result" in line]
    assert len(inferred) - 1 <= len(images) <= len(lines)
    assert at[-1] == pytest.approx(told["to"] - told["from"], abs=0.3)
    assert max(colour(image) for image in images) > 60, "boxes are drawn"

    await page.get_by_label("Format").select_option("pictures")
    await page.get_by_label("How many pictures").select_option("0.2")
    await page.get_by_label("Picture", exact=True).select_option("recorded")
    archive, told = await exported(page, server, tmp_path)
    with zipfile.ZipFile(archive) as opened_zip:
        content = json.loads(opened_zip.read("annotations.json"))
    assert told["why"] == f"{len(content['images'])} pictures, {len(content['annotations'])} objects"
    assert len(content["images"]) >= 3

    assert await violations(page) == []
    for left in (1, 0):
        await page.locator(".export-row").first.get_by_role("button", name="Remove").click()
        await expect(page.locator(".export-row")).to_have_count(left)
    await page.keyboard.press("e")
    await expect(page.locator("#exporting")).to_be_hidden()
    assert await page.locator(".range-layer").count() == 0
    assert errors == []
    await page.context.close()


async def recorded(server: Running) -> list[list[dict[str, Any]]]:
    """The lines of all frames, segment by segment."""
    found = []
    for one in (await server.get("/api/recordings/yard"))["segments"]:
        answer = await server.http.get(f"/api/recordings/yard/segments/{one['id']}.jsonl")
        found.append([line for line in map(json.loads, answer.text.splitlines()) if "pts" in line])
    return found


def colour(image: np.ndarray[Any, Any]) -> int:
    """How much the colours of a picture's brightest spots differ from grey."""
    levels = image.astype(int)
    return int((levels.max(axis=2) - levels.min(axis=2)).max())


async def test_a_span_is_drawn_on_the_strip_by_mouse_keys_and_finger(server: Running, browser: Browser) -> None:
    first = (await server.get("/api/recordings/yard"))["segments"][0]["started_at"]
    page, errors = await open_timeline(browser, server.url, f"stream=yard&at={first + 1}")
    await page.locator("#length").select_option("600")
    await page.locator("#export").click()
    box = await page.locator(".range-layer").bounding_box()
    assert box is not None
    span = await page.locator(".strip-time").evaluate("e => [+e.ariaValueMin, +e.ariaValueMax]")
    per_second = box["width"] / (span[1] - span[0])
    x, y = [box["x"] + (at - span[0]) * per_second for at in (first - 120, first, first + 3)], box["y"] + 30
    await page.mouse.move(x[0], y)
    await page.mouse.down()
    await page.mouse.move(x[1], y, steps=4)
    await page.mouse.move(x[2], y, steps=4)
    await page.mouse.up()
    assert await times(page) == pytest.approx((first - 120, first + 3), abs=2)
    start, end = await times(page)
    await page.locator(".range-edge").nth(0).focus()
    for key in ("Shift+ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        await page.keyboard.press(key)
    assert await times(page) == pytest.approx((start + 9, end), abs=1.1)
    assert errors == []
    await page.context.close()

    page, errors = await open_timeline(browser, server.url, f"stream=yard&at={first + 1}", **PHONE)
    await page.locator("#length").select_option("600")
    await page.locator("#export").tap()
    await expect(page.locator(".range-edge").first).to_be_visible()
    before = await times(page)
    await page.locator(".range-layer").evaluate(
        """(layer, by) => {
          const edge = layer.querySelector('[data-edge="from"]');
          const { left, top } = edge.getBoundingClientRect();
          layer.setPointerCapture = () => {};
          const fire = (type, clientX) => {
            const finger = { pointerType: "touch", pointerId: 5, button: 0, clientX, clientY: top + 20, bubbles: true };
            (type === "pointerdown" ? edge : layer).dispatchEvent(new PointerEvent(type, finger));
          };
          fire("pointerdown", left + 22);
          fire("pointermove", left + 22 + by / 2);
          fire("pointermove", left + 22 + by);
          fire("pointerup", left + 22 + by);
        }""",
        -20,
    )
    after = await times(page)
    assert after[1] == before[1]
    assert after[0] < before[0] - 5
    assert await page.evaluate("document.documentElement.scrollWidth") == 390
    small = """() => [...document.querySelectorAll("#exporting button, #exporting select")]
      .map((e) => [e.textContent, e.getBoundingClientRect()])
      .filter(([, r]) => r.width && (r.height < 44 || r.right > 390))"""
    assert await page.evaluate(small) == []
    assert errors == []
    await page.context.close()
