"""One budget a model at a real server whose model is slow: cameras, programs and a source that the server pulls."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import pytest_asyncio

from sightline import AsyncClient
from sightline.stress.figures import jain
from support.inside import Inside, inside
from support.serving import Json, peer, picture
from support.working import Slow, loading

pytestmark = pytest.mark.asyncio(loop_scope="module")

WORK_S = 0.02
"""So long that two streams of 30 pictures a second are too many."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Inside]:
    sources = {"made": "synthetic:?size=800x450&fps=30"}
    async with inside(load=loading(Slow(WORK_S)), sources=sources, static_skip=False) as running:
        yield running


async def publish(url: str, stream: str) -> None:
    """Send pictures as fast as the server asks for them."""
    pictures = itertools.cycle([picture(0), picture(1)])
    async with AsyncClient(url) as client, aclosing(client.publish(stream, pictures)) as answers:
        async for _ in answers:
            pass


def live(stats: Json) -> Json:
    return {name: stream for name, stream in stats["streams"].items() if stream["state"] == "live"}


async def test_all_kinds_of_publishers_have_equal_shares_and_read_why(server: Inside) -> None:
    """Fault 41 and 69: the first to yield let the others stay, and a source was shown small and coarse."""
    urls = {"page": server.ws, "page-2": server.ws, "program": server.tcp, "program-2": server.tcp}
    publishing = [asyncio.create_task(publish(url, name)) for name, url in urls.items()]
    async with peer(f"{server.ws}/ws/view/made") as viewer:
        watching = asyncio.create_task(look(viewer))
        shared = await server.figures(
            lambda s: len(live(s)) == 5 and all(one["adaptive"]["reduced"] for one in live(s).values())
        )
        asked = {name: stream["adaptive"]["fps"] for name, stream in shared["streams"].items()}
        assert len(set(asked.values())) == 1, asked
        for stream in shared["streams"].values():
            assert stream["adaptive"]["reason"].startswith("5 streams share the model, which does ")

        def since(stats: Json) -> dict[str, int]:
            return {n: s["delivered"] - shared["streams"][n]["delivered"] for n, s in stats["streams"].items()}

        stats = await server.figures(lambda s: min(since(s).values()) >= 40)
        assert jain(since(stats).values()) >= 0.99, since(stats)
        made = stats["streams"]["made"]
        assert (made["width"], made["adaptive"]["width"], made["adaptive"]["quality"]) == (800, 800, 0.8)
        assert all(s["adaptive"]["confidence"] is None for s in stats["streams"].values())
        watching.cancel()
    for task in publishing:
        task.cancel()
    await asyncio.gather(watching, *publishing, return_exceptions=True)
    stats = await server.figures(lambda s: all(one["in_flight"] == 0 for one in s["streams"].values()))
    for name, s in stats["streams"].items():
        assert s["received"] == s["delivered"] + sum(s["dropped"].values()) + s["failed"] + s["in_flight"], name


async def look(viewer: Any) -> None:
    while True:
        await viewer.receive()


async def complain(viewer: Any) -> None:
    """Watch over a slow link, and say that pictures are late."""
    while True:
        message, _ = await viewer.receive()
        if message["type"] == "frame_metadata":
            await asyncio.sleep(0.2)
            report = {"type": "performance_stats", "fps": 10, "latency": 400, "queueSize": 0}
            await viewer.ws.send(json.dumps({"type": "ack", "frameNumber": message["frameNumber"]}))
            await viewer.ws.send(json.dumps(report))


async def test_a_page_that_opens_disturbs_nobody(server: Inside) -> None:
    """Fault 41: each page was late in its first seconds, and the camera was asked for less, for everybody."""
    publishing = [asyncio.create_task(publish(server.ws, name)) for name in ("watched", "opened")]

    async def age(stream: str, seconds: float) -> None:
        for subscription in server.hub.streams[stream].subscriptions:
            subscription.began_at -= seconds

    async with peer(f"{server.ws}/ws/view/watched") as old, peer(f"{server.ws}/ws/view/opened") as new:
        watching = [asyncio.create_task(complain(viewer)) for viewer in (old, new)]
        await server.viewers("watched", 1)
        await server.viewers("opened", 1)
        await server.on_loop(age("watched", 60))
        await server.on_loop(age("opened", -3600))
        stats = await server.figures(lambda s: s["streams"]["watched"]["adaptive"]["quality"] < 0.5)
        assert "on its way" in stats["streams"]["watched"]["adaptive"]["reason"]
        told = stats["streams"]["opened"]["adaptive"]
        assert (told["quality"], told["width"]) == (0.5, 640)
        for task in [*watching, *publishing]:
            task.cancel()
        await asyncio.gather(*watching, *publishing, return_exceptions=True)
