"""What viewers may say besides ack and ping, over a WebSocket and over WHEP's data channel."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from sightline.core.mailbox import Mailbox
from sightline.core.types import FrameResult
from sightline.streams.rendering import MOST_LOOKS, Look
from sightline.streams.subscription import Subscription
from sightline.transports._viewer import ViewerSession
from sightline.wire.messages import ErrorMessage, Status
from support.rtc import viewer
from support.serving import Peer, Running, camera, peer, pixels, serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

BAD = [
    ({"mode": "sepia"}, "mode=sepia: expected one of"),
    ({"mode": 7}, "mode=7: expected one of"),
    ({"mode": ["boxes"]}, "expected one of"),
    ({"opacity": 101}, "opacity=101: expected a number from 0 to 100"),
    ({"opacity": True}, "opacity=True: expected a number"),
    ({"mode": "boxes", "opacity": "x"}, "opacity=x: expected a number"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--no-static-skip") as running:
        yield running


def viewer_of(look: Look | None) -> ViewerSession:
    mailbox: Mailbox[FrameResult | Status] = Mailbox()
    return ViewerSession(Subscription(mailbox, "viewer"), look)


def look(**said: Any) -> str:
    return json.dumps({"type": "look", **said})


async def test_what_a_look_does_not_say_stays() -> None:
    one = viewer_of(Look("boxes", 40))
    assert one.hear(look(opacity=61)) is None
    assert one.look == Look("boxes", 60)
    assert one.hear(look(mode="contours")) is None
    assert one.look == Look("contours", 60)
    assert one.hear(look(mode=None, opacity=None)) is None
    assert one.look == Look()


@pytest.mark.parametrize(("said", "why"), BAD)
async def test_a_bad_look_changes_nothing(said: dict[str, Any], why: str) -> None:
    one = viewer_of(Look("boxes", 40))
    answer = one.hear(look(**said))
    assert isinstance(answer, ErrorMessage)
    assert (answer.code, answer.of) == ("bad_request", "look")
    assert why in answer.message
    assert one.look == Look("boxes", 40)


async def test_a_figure_that_is_null_is_not_known() -> None:
    one = viewer_of(None)
    for fps, latency, queue in ((29.5, 41, 1), (None, 41, None), (29.5, None, 0)):
        said = {"type": "performance_stats", "fps": fps, "latency": latency, "queueSize": queue}
        assert one.hear(json.dumps(said)) is None
        stats = one.subscription.stats
        assert stats is not None
        assert (stats.fps, stats.latency, stats.queue_size) == (fps, latency, queue)


async def test_a_viewer_changes_its_own_pictures_live(server: Running) -> None:
    async with (
        camera(server, "door"),
        peer(f"{server.ws}/ws/view/door?render=server&mode=boxes") as one,
        peer(f"{server.ws}/ws/view/door?render=server&mode=boxes") as other,
        peer(f"{server.ws}/ws/view/door") as draws,
    ):
        assert (await one.next("frame_metadata"))[0]["mode"] == "boxes"
        await one.ws.send(look(mode="contours", opacity=60))
        while True:
            message, picture = await one.next("frame_metadata", "error")
            if message["mode"] == "contours":
                break
        assert picture is not None
        await one.ws.send(look(mode="side_by_side"))
        while message["mode"] != "side_by_side":
            message, picture = await one.next("frame_metadata")
        assert picture is not None
        assert pixels(picture).shape[1] == 2 * message["width"]
        await one.ws.send(look(mode="contours"))
        shown = [await other.next("frame_metadata") for _ in range(3)]
        assert {message["mode"] for message, _ in shown} == {"boxes"}
        await one.ws.send(look(mode="sepia"))
        refused, _ = await one.next("error")
        assert (refused["code"], refused["of"]) == ("bad_request", "look")
        while (await one.next("frame_metadata"))[0]["mode"] != "contours":
            pass
        await draws.ws.send(look(mode="contours"))
        assert "expected one with render=server" in (await draws.next("error"))[0]["message"]
        await draws.ws.send('{"type":"performance_stats","fps":null,"latency":null,"queueSize":null}')
        assert "mode" not in (await draws.next("frame_metadata"))[0]


async def test_a_stream_is_drawn_in_few_ways_at_a_time(server: Running) -> None:
    async with camera(server, "ways"), AsyncExitStack() as stack:

        async def begun(opacity: int) -> Peer:
            url = f"{server.ws}/ws/view/ways?render=server&opacity={opacity}"
            opened = await stack.enter_async_context(peer(url))
            await opened.next("frame_metadata")
            return opened

        first, *_ = [await begun(5 * n) for n in range(MOST_LOOKS)]
        with pytest.raises(ConnectionClosed) as ended:
            await begun(95)
        assert ended.value.rcvd is not None
        assert ended.value.rcvd.code == 1013
        again = await begun(5)  # a way that it is drawn in already
        await again.ws.send(look(opacity=95))
        refused, _ = await again.next("error")
        assert (refused["code"], refused["of"]) == ("limit_reached", "look")
        await again.next("frame_metadata")
        await first.ws.send(look(opacity=95))  # alone with its own, which it gives up
        await first.ws.send(look(mode="sepia"))
        refused, _ = await first.next("error")
        assert refused["code"] == "bad_request"
        await begun(95)


async def test_so_does_one_over_webrtc(server: Running) -> None:
    async with (
        camera(server, "hall"),
        viewer(server, "hall", "?render=server&mode=boxes") as one,
        viewer(server, "hall", "?render=server&mode=boxes") as other,
    ):
        await one.until(lambda: one.of("frame_metadata"))
        await other.until(lambda: other.of("frame_metadata"))
        assert one.channel is not None
        assert one.of("frame_metadata")[-1]["mode"] == "boxes"
        one.channel.send(look(mode="contours"))
        await one.until(lambda: one.of("frame_metadata")[-1]["mode"] == "contours")
        one.channel.send(look(opacity=-1))
        await one.until(lambda: one.of("error"))
        seen = len(one.of("frame_metadata"))
        await one.until(lambda: len(one.of("frame_metadata")) > seen + 3)
        assert one.of("frame_metadata")[-1]["mode"] == "contours"
        one.channel.send(look(mode="boxes"))
        await one.until(lambda: one.of("frame_metadata")[-1]["mode"] == "boxes")
        track = one.track
        assert track is not None
        await track.recv()  # what comes can still be decoded
        assert {message["mode"] for message in other.of("frame_metadata")} == {"boxes"}
