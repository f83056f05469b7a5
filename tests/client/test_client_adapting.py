"""What the server asks of a program that publishes, and what the SDK does about it: over TCP and WebSocket."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import aclosing

import numpy as np
import pytest

from sightline import AsyncClient
from sightline.client import Result
from sightline.core.types import Image
from support.serving import Running, pixels
from support.tcp_peer import frame, tcp_peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIZE = (1280, 720)
SQUARE = 160


def left(seq: int) -> int:
    """Where the square of an array begins: it jumps by more than its width."""
    return 40 + seq * 211 % 1040


def array(seq: int) -> Image:
    image = np.full((SIZE[1], SIZE[0], 3), 40, np.uint8)
    x = left(seq)
    image[240 : 240 + SQUARE, x : x + SQUARE] = (40, 200, 240)
    return image


def arrays() -> Iterator[Image]:
    return map(array, itertools.count())


async def sent_size(client: AsyncClient, stream: str) -> tuple[int, int]:
    """Width and height of the stream's next picture as it was sent."""
    async with aclosing(client.subscribe(stream, pictures=True)) as shown:
        async for result in shown:
            assert result.picture is not None
            height, width = pixels(result.picture).shape[:2]
            assert (result.width, result.height) == (width, height)
            return width, height
    raise AssertionError("the subscription ended")


async def test_arrays_are_sent_as_the_preset_says_and_boxes_stay_the_callers(server: Running, url: str) -> None:
    name = f"sized-{url[:2]}"
    async with AsyncClient(url) as client, aclosing(client.publish(name, arrays())) as answers:
        size = asyncio.create_task(sent_size(client, name))
        hits = 0
        while not (size.done() and hits > 3):
            answer = await anext(answers)
            if not isinstance(answer, Result):
                continue
            assert (answer.width, answer.height) == SIZE
            for detection in answer.detections:
                x1, y1, x2, _ = detection.xyxy
                hits += abs(x1 - left(answer.seq)) < 24 and abs(x2 - x1 - SQUARE) < 48 and abs(y1 - 240) < 24
        assert size.result() == (640, 360)

        changed = await server.http.patch(f"/api/streams/{name}", json={"preset": "mobile"})
        assert changed.status_code == 200
        async with asyncio.timeout(30):
            while True:
                size = asyncio.create_task(sent_size(client, name))
                while not size.done():
                    await anext(answers)
                if size.result() == (480, 270):
                    break


async def test_fewer_pictures_are_sent_where_fewer_are_asked_for(server: Running, url: str) -> None:
    name = f"paced-{url[:2]}"
    async with AsyncClient(url) as client, aclosing(client.publish(name, arrays())) as answers:
        await anext(answers)
        changed = await server.http.patch(f"/api/streams/{name}", json={"max_fps": 5})
        assert changed.status_code == 200
        assert client.limits is not None
        assert (client.limits.max_fps, client.limits.max_pending) == (60, 2)
        in_a_row = 0  # at the rate before, five of six pictures would be too many
        async with asyncio.timeout(30):
            while in_a_row < 8:
                in_a_row = in_a_row + 1 if isinstance(await anext(answers), Result) else 0
        assert client.asked[name].fps == 5
        assert client.asked[name].reason


@pytest.mark.parametrize(("pending", "adapt"), [(None, False), (1, None)])
async def test_who_does_not_want_that_sends_as_ever(url: str, pending: int | None, adapt: bool | None) -> None:
    name = f"own-{url[:2]}-{pending}"
    publishing = AsyncClient(url).publish(name, arrays(), pending=pending, adapt=adapt)
    async with AsyncClient(url) as client, aclosing(publishing) as answers:
        size = asyncio.create_task(sent_size(client, name))
        while not size.done():
            await anext(answers)
    assert size.result() == SIZE


async def test_the_quality_that_a_caller_names_is_the_most(server: Running, url: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)

    async def bytes_at(quality: int | None) -> int:
        name = f"quality-{url[:2]}-{quality}"
        async with (
            AsyncClient(url) as client,
            aclosing(client.publish(name, itertools.repeat(noise), quality=quality)) as answers,
            aclosing(client.subscribe(name, pictures=True)) as shown,
        ):
            picture = asyncio.ensure_future(anext(shown))
            while not picture.done():
                await anext(answers)
            jpeg = picture.result().picture
        assert jpeg is not None
        return len(jpeg)

    low, asked, high = [await bytes_at(quality) for quality in (20, None, 95)]
    assert low < 0.8 * asked
    assert high == asked


async def test_a_plain_client_is_asked_too_with_its_streams_own_figures(server: Running) -> None:
    async with tcp_peer(server.tcp) as camera:
        await camera.publish("plain", 1)
        await server.http.patch("/api/streams/plain", json={"preset": "tunnel", "max_fps": 3})
        asked = await camera.next("adapt")
        while (asked["fps"], asked["preset"]) != (3, "tunnel"):
            asked = await camera.next("adapt")
        assert {key: asked[key] for key in ("stream", "quality", "width", "preset", "max_pending")} == {
            "stream": "plain",
            "quality": 0.4,
            "width": 640,
            "preset": "tunnel",
            "max_pending": 4,
        }
        await camera.send({"type": "close", "stream": "plain"})
        await server.until(lambda s: s["streams"]["plain"]["state"] == "waiting")
        await camera.send(frame("plain", 7))
        asked = await camera.next("adapt")
        assert (asked["fps"], asked["preset"]) == (3, "tunnel"), "who comes next is told at once"
        told = (await server.stream("plain"))["adaptive"]
        assert (told["fps"], told["preset"]) == (3, "tunnel")
