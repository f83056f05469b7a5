"""Zones and lines that are drawn on a page, and a clip's person who walks through them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import pytest
from playwright.async_api import Page, expect

from support.serving import Json, Peer, Running, metadata

WALK = [*range(224, 262, 2), *range(262, 430, 8), *range(430, 500, 2)]
"""Frames of the clip in which one woman comes in from below, stands in the middle, and leaves to the right."""
FLOOR = [(0.2, 0.4), (0.8, 0.4), (0.95, 0.97), (0.05, 0.97)]
AT = """([x, y]) => {
  const { left, top, width, height } = document.querySelector("#canvas").getBoundingClientRect();
  const scale = Math.min(width / 16, height / 9);
  return [left + width / 2 + (x - 0.5) * 16 * scale, top + height / 2 + (y - 0.5) * 9 * scale];
}"""
"""Where a place of the picture, which is 16:9, is in the window."""


async def look(page: Page) -> None:
    """Open the section on zones."""
    await page.locator("#zones > summary").click()
    await expect(page.locator("#new-zone")).to_be_visible()


async def begin(page: Page, kind: str) -> None:
    """Begin to draw."""
    await page.locator(f"#new-{kind}").click()
    await expect(page.locator("#drawing")).to_be_focused()


async def put(page: Page, *places: tuple[float, float]) -> None:
    for place in places:
        await page.mouse.click(*await page.evaluate(AT, place))


async def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    await page.mouse.move(*await page.evaluate(AT, start))
    await page.mouse.down()
    await page.mouse.move(*await page.evaluate(AT, end), steps=4)
    await page.mouse.up()


async def points(server: Running, stream: str, kind: str, name: str) -> list[tuple[float, float]]:
    report = await server.get(f"/api/streams/{stream}/zones")
    return [(x, y) for x, y in report[f"{kind}s"][name][kind]["points"]]


def near(found: list[tuple[float, float]], expected: list[tuple[float, float]]) -> None:
    assert len(found) == len(expected), found
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=0.006), found


def walk(assets: Path) -> Iterator[tuple[int, bytes]]:
    with av.open(str(assets / "videos" / "one-by-one-person-detection.mp4")) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number > WALK[-1]:
                return
            if number in WALK:
                image = cv2.resize(frame.to_ndarray(format="bgr24"), (640, 360), interpolation=cv2.INTER_AREA)
                yield number, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


class Walk:
    """A camera that shows the walk of one person, a frame whenever it is told to, on the clip's own clock."""

    def __init__(self, camera: Peer, pictures: Iterator[tuple[int, bytes]]) -> None:
        self._camera, self._pictures = camera, pictures

    async def step(self) -> Json | None:
        """Send the next frame; return its answer, or None after the last."""
        number, picture = next(self._pictures, (0, b""))
        if not number:
            return None
        while True:  # as often as it takes: on a busy machine a frame may be dropped
            await self._camera.ws.send(metadata(number, width=640, height=360, timestamp=1e6 + 100 * number))
            await self._camera.ws.send(picture)
            answer, _ = await self._camera.next("result", "dropped")
            if answer["type"] == "result":
                return dict(answer)
