"""Numbered pictures, on every way in and at any rate: each gets its result, or is counted with the reason."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import AsyncIterator
from io import BufferedIOBase

import cv2
import pytest
import pytest_asyncio

from sightline.client import AsyncClient, Result
from support.clips import number_of, numbered
from support.http_files import sending
from support.rtc import camera
from support.serving import Json, Peer, Running, balanced, peer, pixels, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
RATES = {0.5: 2, 1: 3, 5: 6, 10: 10, 25: 25, 60: 60}
"""Pictures a second, and how many of them a test sends."""


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--tcp-port", "0", "--no-static-skip") as running:
        yield running


async def watched(viewer: Peer, numbers: list[int]) -> None:
    """Read the numbers out of the pictures that a viewer gets."""
    while True:
        message, data = await viewer.next("frame_metadata")
        assert data is not None
        numbers.append(number_of(pixels(data[: message["jpeg_bytes"]])))


def settled(stream: Json, count: int) -> bool:
    return bool(stream["received"] == count and stream["in_flight"] == 0)


async def test_motion_jpeg_cameras_of_every_rate_lose_nothing_without_a_word() -> None:
    """Fault 1: 1 fps gave 2 results of 20, 5 fps 13 of 100, and nothing was counted."""
    begin, over = threading.Event(), threading.Event()

    def camera_of(fps: float, count: int) -> contextlib.AbstractContextManager[str]:
        def send(out: BufferedIOBase) -> None:
            begin.wait(60)
            for number in range(count):
                data = jpeg(number)
                out.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
                out.write(data + b"\r\n")
                time.sleep(1 / fps)
            over.wait(60)

        return sending(send)

    async with contextlib.AsyncExitStack() as stack:
        options: list[str] = []
        for fps, count in RATES.items():
            options += ["--source", f"at{fps * 10:g}={stack.enter_context(camera_of(fps, count))}"]
        stack.callback(over.set)
        server = await stack.enter_async_context(serving("--no-static-skip", *options))
        seen: dict[str, list[int]] = {f"at{fps * 10:g}": [] for fps in RATES}
        watching = []
        for name, numbers in seen.items():
            viewer = await stack.enter_async_context(peer(f"{server.ws}/ws/view/{name}"))
            watching.append(asyncio.create_task(watched(viewer, numbers)))
        begin.set()
        for (fps, count), (name, numbers) in zip(RATES.items(), seen.items(), strict=True):
            stats = await server.until(lambda s, n=name, c=count: settled(s["streams"][n], c))  # type: ignore[misc]
            stream = stats["streams"][name]
            assert balanced(stream)
            assert stream["received"] == count
            assert numbers == sorted(set(numbers))
            assert set(stream["dropped"]) <= {"replaced", "rate", "late"}
            if fps <= 5:
                await server.until(lambda _, found=numbers, c=count: len(found) == c)  # type: ignore[misc]
                assert (numbers, stream["dropped"]) == (list(range(count)), {})
        for name, numbers in seen.items():  # no more pictures come, so none is waited for
            answer = await server.http.get(f"/snapshot/{name}.jpg?mode=boxes&opacity=0")
            assert answer.status_code == 200
            assert number_of(pixels(answer.content)) == numbers[-1]
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        over.set()


@pytest.mark.parametrize("transport", ["ws", "tcp"])
@pytest.mark.parametrize("fps", [5, 60])
async def test_pushed_pictures_all_have_an_answer(server: Running, transport: str, fps: int) -> None:
    count, name = RATES[fps], f"{transport}{fps}"

    async def pictures() -> AsyncIterator[bytes]:
        for number in range(count):
            yield jpeg(number)
            await asyncio.sleep(1 / fps)

    numbers: list[int] = []
    async with AsyncClient(getattr(server, transport)) as client, peer(f"{server.ws}/ws/view/{name}") as viewer:
        watching = asyncio.create_task(watched(viewer, numbers))
        answers = [answer async for answer in client.publish(name, pictures(), adapt=False)]
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert sorted(answer.seq for answer in answers) == list(range(count))
    stream = await server.stream(name)
    assert (stream["received"], stream["delivered"]) == (count, sum(isinstance(a, Result) for a in answers))
    assert balanced(stream)
    assert numbers == sorted(set(numbers))


async def test_pictures_over_webrtc_are_all_in_the_ledger(server: Running) -> None:
    async with camera(server, "rtc", fps=10) as door:
        await door.until(lambda: len(door.of("result")) + len(door.of("dropped")) > 15)
        times = [message["rtp_timestamp"] for message in door.of("result")]
    stats = await server.until(lambda s: s["streams"]["rtc"]["in_flight"] == 0)
    stream = stats["streams"]["rtc"]
    assert balanced(stream)
    assert set(stream["dropped"]) <= {"replaced", "late", "undecodable", "closed"}
    steps = {round((b - a) / 9000) for a, b in itertools.pairwise(times)}
    assert steps == {1} or stream["dropped"], "none is missing that is not counted"
