"""A fault with one peer costs that peer alone: its neighbour has every result, and /ready stays true."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from sightline.core import supervisor
from sightline.core.types import FrameResult
from sightline.security.authorization import Access, Identity
from sightline.streams.hub import Hub
from support import rtc
from support.faults import FAULTS
from support.neighbours import Neighbour, misbehave, neighbours, picture_of, sent
from support.serving import Peer, Running, peer
from support.streams import Recorder, balanced, until
from support.tcp_peer import tcp_peer


@pytest.mark.parametrize("method", ["answer", "drop", "tell"])
async def test_a_publisher_s_callback(method: str) -> None:
    async with neighbours([]) as (server, neighbour):
        for kind in FAULTS:
            publisher = Recorder()
            setattr(publisher, method, lambda *_, kind=kind: misbehave(kind))
            await server.on_loop(_called_back(server.hub, publisher))
            assert publisher.ended is not None, kind
            await neighbour.is_well()


async def _called_back(hub: Hub, publisher: Recorder) -> None:
    stream = hub.take("bad", publisher)
    stream.refuse(picture_of("bad", 0))
    stream.put(picture_of("bad", 1))
    await until(lambda: not stream.in_flight)
    stream.tell(stream.model.status)
    assert balanced(stream)
    hub.release(stream, publisher)


async def test_a_subscriber_over_websockets(monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.wire import json as protocol

    right, now = protocol.viewer_frame, [""]

    def viewer_frame(result: FrameResult, **given: Any) -> Any:
        return misbehave(now[0]) if result.frame.stream == "bad" else right(result, **given)

    monkeypatch.setattr(protocol, "viewer_frame", viewer_frame)
    async with neighbours([]) as (server, neighbour), peer(f"{server.ws}/ws/view/good") as watching:
        for kind in FAULTS:
            now[0] = kind
            async with peer(f"{server.ws}/ws/view/bad") as viewer:
                await server.viewers("bad", 1)
                await server.on_loop(sent(server.hub, Recorder()))
                assert (await viewer.refused())["code"] == "internal", kind
            await _sees(watching, neighbour)


async def _sees(watching: Peer, neighbour: Neighbour) -> None:
    await neighbour.is_well()
    message, _ = await watching.next("frame_metadata")
    assert message["frameNumber"] == neighbour.sent - 1


async def test_a_subscriber_over_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.transports.tcp.publisher import result_parts as right

    now = [""]

    def result_parts(result: FrameResult, **given: Any) -> Any:
        return misbehave(now[0]) if result.frame.stream == "bad" else right(result, **given)

    monkeypatch.setattr("sightline.transports.tcp.subscriptions.result_parts", result_parts)
    async with neighbours([]) as (server, neighbour), tcp_peer(server.tcp) as watching:
        await watching.send({"type": "subscribe", "stream": "good"})
        await watching.next("status")
        for kind in FAULTS:
            now[0] = kind
            async with tcp_peer(server.tcp) as viewer:
                await viewer.send({"type": "subscribe", "stream": "bad"})
                await viewer.next("status")
                await server.on_loop(sent(server.hub, Recorder()))
                assert (await viewer.next("error"))["code"] == "internal", kind
            await neighbour.is_well()
            assert (await watching.next("result"))["seq"] == neighbour.sent - 1


async def test_a_subscriber_over_webrtc(monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.transports._encoding import Encoder

    now = [""]

    async def encode(self: Encoder[Any], result: FrameResult) -> Any:
        return misbehave(now[0])

    monkeypatch.setattr(Encoder, "encode", encode)
    async with neighbours([]) as (server, neighbour), httpx2.AsyncClient(base_url=server.http, timeout=30) as http:
        for kind in ("ValueError", "SystemExit", "CancelledError", "Interrupt"):
            now[0] = kind
            async with rtc.viewer(Running(server.http, cast("Any", None), http), "bad") as viewer:
                await viewer.until(lambda viewer=viewer: viewer.of("status"))  # type: ignore[misc]
                async with asyncio.timeout(30):
                    while not viewer.of("error"):  # pictures before its video is connected are not for it
                        await server.on_loop(sent(server.hub, Recorder()))
                assert viewer.of("error")[0]["code"] == "internal", kind
            await neighbour.is_well()


async def test_what_follows_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "MOST_S", 0.01)
    monkeypatch.setattr(supervisor, "TOO_MANY", 99)
    right, left = Access.refresh, list(FAULTS)

    def refresh(self: Access) -> None:
        if left:
            misbehave(left.pop())
        right(self)

    monkeypatch.setattr(Access, "refresh", refresh)
    async with neighbours([]) as (server, neighbour):
        await server.figures(lambda s: s["restarts"] == {"access": len(FAULTS)})
        await neighbour.is_well()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_session_that_can_not_be_ended_keeps_no_other_from_its_end(kind: str, tmp_path: Path) -> None:
    from sightline.security.tokens import Store

    access = Access(Store(tmp_path))
    gone = Identity("gone", "view", "*", "of no token")
    ended: list[str] = []
    access.watch(gone, lambda _: misbehave(kind))
    access.watch(gone, lambda error: ended.append(error.message))
    access.end_sessions()
    assert ended == ["the token gone was revoked"]
