"""``/ws/tiles``: small pictures of many streams on one connection, no more of them than a page can use."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from sightline.security.tokens import Store
from support.serving import Json, Peer, Running, camera, peer, pixels, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAST = '{"fast": "synthetic:shapes?size=640x360&fps=30", "noise": "synthetic:noise?size=320x180&fps=5"}'


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion", env={"SIGHTLINE_SOURCES": FAST}) as running:
        yield running


async def choose(page: Peer, *streams: str, width: int = 320) -> None:
    await page.ws.send(json.dumps({"type": "tiles", "streams": streams, "width": width}))


async def tiles(page: Peer, *, ack: bool = True) -> dict[str, bytes]:
    """The next small pictures, by stream."""
    told, _ = await page.next("tiles")
    data = await within(page.ws.recv(), 30)
    assert isinstance(data, bytes)
    assert len(data) == sum(tile["jpeg_bytes"] for tile in told["tiles"])
    if ack:
        await page.ws.send(json.dumps({"type": "ack", "frameNumber": told["frameNumber"]}))
    ends = list(itertools.accumulate(tile["jpeg_bytes"] for tile in told["tiles"]))
    found = {
        tile["stream"]: data[end - tile["jpeg_bytes"] : end] for tile, end in zip(told["tiles"], ends, strict=True)
    }
    assert len(found) == len(told["tiles"]), "one picture of a stream at a time"
    return found


async def until(page: Peer, stream: str) -> NDArray[np.uint8]:
    async with asyncio.timeout(30):
        while stream not in (found := await tiles(page)):
            pass
    return pixels(found[stream])


async def test_pictures_of_all_that_was_chosen_come_small_and_drawn(server: Running) -> None:
    async with camera(server, "door"), peer(f"{server.ws}/ws/tiles") as page:
        await server.until(lambda s: s.get("state") == "live", path="/api/streams/door")
        await choose(page, "fast", "door", "no-such-stream")
        assert (await until(page, "fast")).shape == (180, 320, 3)
        drawn = await until(page, "door")
        assert drawn.shape == (180, 320, 3)
        await choose(page, "fast", width=600)
        while (await until(page, "fast")).shape != (360, 640, 3):
            pass
        assert (await server.stream("noise"))["wanted"] is False
        await choose(page, "fast", "noise")
        await until(page, "noise")
        await choose(page, "fast")
        stats = await server.until(lambda s: not s["streams"]["noise"]["wanted"])
        assert (stats["streams"]["fast"]["viewers"], stats["streams"]["fast"]["wanted"]) == (0, True)
    await server.until(lambda s: not s["streams"]["fast"]["wanted"])


async def test_a_stream_that_only_tiles_show_is_inferred_at_their_pace(server: Running) -> None:
    async with peer(f"{server.ws}/ws/tiles") as page:
        await choose(page, "fast")
        await tiles(page)
        before = await server.stream("fast")
        async with asyncio.timeout(60):
            while (now := await server.stream("fast"))["received"] < before["received"] + 60:
                await tiles(page)
        received, delivered = (now[key] - before[key] for key in ("received", "delivered"))
        assert delivered < received / 2, "10 of 30 a second"
        async with peer(f"{server.ws}/ws/view/fast") as viewer:  # who looks closely gets all that the model manages
            before = await server.stream("fast")
            while (now := await server.stream("fast"))["received"] < before["received"] + 60:
                await viewer.next("frame_metadata")
        spared = now["dropped"].get("unwatched", 0) - before["dropped"].get("unwatched", 0)
        assert spared < 10


async def test_who_does_not_acknowledge_has_two_rounds_under_way(server: Running) -> None:
    async with peer(f"{server.ws}/ws/tiles") as page:
        await choose(page, "noise")
        await tiles(page)  # from here on it acknowledges
        await tiles(page, ack=False)
        await tiles(page, ack=False)
        held = (await server.stream("noise"))["delivered"]
        await server.until(lambda s: s["streams"]["noise"]["delivered"] > held + 2)
        await page.ws.send('{"type":"ping","timestamp":1}')
        assert (await page.receive())[0]["type"] == "pong", "no picture came meanwhile"
        await page.ws.send('{"type":"ack","frameNumber":3}')
        await tiles(page)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type":"tiles","streams":"door"}', "bad_message"),
        ('{"type":"tiles","streams":["a"],"width":5}', "bad_message"),
        (json.dumps({"type": "tiles", "streams": ["a"] * 129}), "bad_message"),
        ('{"type":"look"}', "bad_message"),
        ("x" * 20_000, "too_large"),
    ],
)
async def test_what_is_no_wish_ends_the_session_with_words(server: Running, text: str, code: str) -> None:
    async with peer(f"{server.ws}/ws/tiles") as page:
        await page.ws.send(text)
        assert (await page.refused())["code"] == code


async def test_a_wall_is_one_viewer_and_waits_for_room(server: Running) -> None:
    env = {"SIGHTLINE_MAX_VIEWERS": "1", "SIGHTLINE_SOURCES": FAST}
    async with serving("--model", "motion", env=env) as small, peer(f"{small.ws}/ws/tiles") as page:
        await choose(page, "fast", "noise")
        seen: set[str] = set()
        while len(seen) < 2:
            seen |= (await tiles(page)).keys()
        async with peer(f"{small.ws}/ws/tiles") as second:
            assert (await second.refused())["code"] == "limit_reached"


async def test_a_page_shows_only_what_its_token_may_view(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = tmp_path_factory.mktemp("data")
    store = Store(data)
    token, _ = store.create("view", "fast", lifetime=None)
    env = {"SIGHTLINE_TOKENS": "true", "SIGHTLINE_SOURCES": FAST}
    async with serving("--model", "motion", env=env, data=data) as guarded, AsyncExitStack() as stack:
        headers = {"additional_headers": {"Authorization": f"Bearer {token}"}}
        mine = await stack.enter_async_context(peer(f"{guarded.ws}/ws/tiles", **headers))
        await choose(mine, "fast")
        await tiles(mine)
        await choose(mine, "fast", "noise")
        refused: Json = await mine.refused()
        assert refused["code"] == "forbidden"
