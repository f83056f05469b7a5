"""A fault at a border of the server costs the one concerned: its neighbour has every result, and /ready stays true."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast
from urllib.error import HTTPError

import httpx2
import pytest

from sightline.core import registry, supervisor
from sightline.core.types import Encoded, Frame, FrameResult
from sightline.security.authorization import Access, Identity
from sightline.streams.hub import Hub
from sightline.streams.model_switch import ModelSwitch
from sightline.streams.publisher import Publisher
from support import rtc
from support.faults import FAULTS
from support.inside import Inside, inside
from support.serving import Peer, Running, peer, picture
from support.streams import Recorder, balanced, until
from support.tcp_peer import tcp_peer
from support.working import RIGHT, Scripted, loading

GARBAGE: dict[str, Callable[[], Any]] = {"None": lambda: None, "a number": lambda: 7, "an object": object}
KINDS = FAULTS | GARBAGE


def misbehave(kind: str) -> Any:
    """Raise, or give back what nobody expects."""
    made = KINDS[kind]()
    if isinstance(made, BaseException):
        raise made
    return made


class Neighbour:
    """A stream beside the one with the fault. It gets each frame's result, while /ready is asked all the time."""

    def __init__(self, server: Inside) -> None:
        self.server = server
        self.publisher = Recorder()
        self.sent = 0

    async def is_well(self) -> None:
        """Send a frame, and see that it and the server are well."""
        await self.server.on_loop(self._send())
        ready = json.loads(await asyncio.to_thread(self.server.get, "/ready"))
        assert ready["ready"], ready
        assert self.publisher.reasons == {"result": self.sent}
        assert all(map(balanced, self.server.hub.streams.values()))

    async def _send(self) -> None:
        hub = self.server.hub
        if not self.sent:
            hub.take("good", self.publisher)
        hub.streams["good"].put(picture_of("good", self.sent))
        self.sent += 1
        await until(lambda: not hub.streams["good"].in_flight)


def picture_of(stream: str, seq: int) -> Frame:
    now = time.monotonic()
    return Frame(stream, seq, now, now, Encoded(picture(seq), 320, 180))


@asynccontextmanager
async def neighbours(kind_now: list[str], **given: Any) -> AsyncGenerator[tuple[Inside, Neighbour]]:
    """A server, whose model is at fault with the stream ``bad`` if a kind is given for ``model``."""

    def answer(streams: Any) -> Any:
        return misbehave(kind_now[0]) if kind_now and "bad" in streams else RIGHT

    async with inside(load=loading(Scripted(answer)), static_skip=False, **given) as server:
        await server.on_loop(server.hub.worker.settled.wait())
        neighbour = Neighbour(server)
        await neighbour.is_well()
        yield server, neighbour
        await neighbour.is_well()


async def sent(hub: Hub, publisher: Publisher, count: int = 1) -> None:
    """On the server's loop: publish so many frames as ``bad`` and wait until they are settled."""
    stream = hub.take("bad", publisher)
    for seq in range(count):
        stream.put(picture_of("bad", seq))
        await until(lambda: not stream.in_flight)
    hub.release(stream, publisher)


async def test_a_model() -> None:
    now: list[str] = ["None"]
    async with neighbours(now) as (server, neighbour):
        for kind in KINDS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(sent(server.hub, publisher))
            assert publisher.reasons == {"failed": 1}, kind
            await neighbour.is_well()


async def test_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = registry.load("analytics", "counts").CountObjects
    right, now = stage.apply, [""]
    monkeypatch.setattr(
        stage,
        "apply",
        lambda self, frame, *rest: misbehave(now[0]) if frame.stream == "bad" else right(self, frame, *rest),
    )
    stages = {name: {"stages": ("counts",)} for name in ("good", "bad")}
    async with neighbours([], streams=stages) as (server, neighbour):
        for kind in KINDS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(sent(server.hub, publisher))
            assert publisher.reasons == {"result": 1}, kind
            told = (await server.figures())["troubles"]
            assert list(told) == ["stream bad: stage counts"], kind
            await neighbour.is_well()


async def test_a_stage_that_can_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [""]
    monkeypatch.setattr(registry.load("analytics", "counts"), "create", lambda: misbehave(now[0]))
    async with neighbours([]) as (server, neighbour):
        for kind in FAULTS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(_with_stage(server.hub, publisher))
            assert publisher.reasons == {"result": 1}, kind
            await neighbour.is_well()


async def _with_stage(hub: Hub, publisher: Recorder) -> None:
    from sightline.analytics.base import Pipeline

    hub.open_stream("bad").pipeline = Pipeline.of(["counts"])
    await sent(hub, publisher)


async def test_a_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = registry.load("renderers", "boxes")
    right, now = renderer.render, [""]

    def render(image: Any, prediction: Any, labels: Any, *, opacity: float = 0.5) -> Any:
        return misbehave(now[0]) if now[0] else right(image, prediction, labels, opacity=opacity)

    monkeypatch.setattr(renderer, "render", render)
    async with neighbours([]) as (server, neighbour):
        for kind in KINDS:
            now[0] = kind
            await neighbour.is_well()  # whose new result is not drawn yet
            with pytest.raises(HTTPError) as refused:
                await asyncio.to_thread(server.get, "/snapshot/good.jpg?mode=boxes&opacity=50")
            assert refused.value.code == 500, kind
            refused.value.close()
            now[0] = ""
            await neighbour.is_well()
            assert await asyncio.to_thread(server.get, "/snapshot/good.jpg?mode=boxes&opacity=50")


async def test_an_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = registry.load("outputs", "jsonl").JsonlOutput
    right, now, asked = plugin.send, [""], asyncio.Event()

    async def send(self: Any, batch: Any) -> Any:
        if "bad" not in self.name:
            return await right(self, batch)
        asked.set()
        return misbehave(now[0]) if now[0] else await right(self, batch)

    async def close(self: Any) -> None:
        raise SystemExit(4)

    monkeypatch.setattr(plugin, "send", send)
    monkeypatch.setattr(plugin, "close", close)
    tables = [{"kind": "jsonl", "path": str(tmp_path / f"{name}.jsonl")} for name in ("good", "bad")]
    async with neighbours([], outputs=tables) as (server, neighbour):
        for kind in FAULTS:
            now[0] = kind
            asked.clear()
            await neighbour.is_well()
            await server.figures(lambda s: any("bad" in what for what in s["troubles"]))
        now[0] = ""
        await neighbour.is_well()
        stats = await server.figures(lambda s: not s["troubles"])
        assert [sink["lost"] for sink in stats["sinks"]] == [0, neighbour.sent - stats["sinks"][1]["sent"]]
        assert stats["restarts"] == {}
        count = neighbour.sent
    assert len((tmp_path / "good.jsonl").read_text().splitlines()) >= count


async def test_an_output_whose_task_ends_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.outputs._dispatcher import Dispatcher

    monkeypatch.setattr(supervisor, "MOST_S", 0.01)
    right, left = Dispatcher._gather, list(FAULTS)

    async def gather(self: Dispatcher) -> None:
        if len(left) == len(FAULTS) or self.sent:
            await right(self)
        if left:
            misbehave(left.pop())

    monkeypatch.setattr(Dispatcher, "_gather", gather)
    path = tmp_path / "good.jsonl"
    async with neighbours([], outputs=[{"kind": "jsonl", "path": str(path)}]) as (server, neighbour):
        await server.figures(lambda s: s["restarts"] == {f"output jsonl {path}": len(FAULTS)})
        await neighbour.is_well()
        stats = await server.figures(lambda s: s["sinks"][0]["sent"] == neighbour.sent and not s["sinks"][0]["failing"])
        assert stats["sinks"][0]["lost"] == 0


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


async def test_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.transports._puller.BROKEN_S", 0.01)
    plugin = registry.load("sources", "synthetic").Synthetic
    right, left, number = plugin._shapes, list(FAULTS), len(FAULTS)

    def shapes(self: Any, index: int) -> Any:
        if left and self._seed == 7:
            misbehave(left.pop())
        return right(self, index)

    monkeypatch.setattr(plugin, "_shapes", shapes)
    async with neighbours([], sources={"bad": "synthetic:?size=64x64&fps=30&seed=7"}) as (server, neighbour):
        await server.figures(lambda s: s["restarts"] == {"pull bad": number})
        await neighbour.is_well()
        await server.figures(lambda s: s["streams"]["bad"]["state"] == "live")


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


async def test_a_spawned_task(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [""]

    async def change(*_: object) -> None:
        misbehave(now[0])

    monkeypatch.setattr(ModelSwitch, "change", change)
    monkeypatch.setattr(ModelSwitch, "change_now", lambda *_: False)
    async with neighbours([]) as (server, neighbour):
        for kind in FAULTS:
            now[0] = kind
            publisher = Recorder()
            await server.on_loop(_wishing(server.hub, publisher))
            told = (await server.figures())["troubles"]
            assert list(told) == ["stream bad: the wish for a model"], kind
            await neighbour.is_well()


async def _wishing(hub: Hub, publisher: Recorder) -> None:
    stream = hub.take("bad", publisher)
    hub.wish(stream, publisher, {"confidence": 0.5})
    await until(lambda: bool(hub.supervisor.troubles))
    hub.release(stream, publisher)


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


async def test_a_stream_that_can_not_be_adapted_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from sightline.streams.adaptive import service

    now, steps = [""], [0]

    def follow(hub: Hub, stream: Any) -> None:
        if stream.name == "bad":
            steps[0] += 1
            misbehave(now[0])

    monkeypatch.setattr(service, "_follow", follow)
    monkeypatch.setattr(service, "STEP_S", 0.01)
    now[0] = next(iter(FAULTS))
    async with neighbours([]) as (server, neighbour):
        await server.on_loop(sent(server.hub, Recorder()))
        for kind in FAULTS:
            now[0], before = kind, steps[0]
            await until(lambda before=before: steps[0] > before + 2)  # type: ignore[misc]
            await neighbour.is_well()
        stats = await server.figures()
        assert list(stats["troubles"]) == ["stream bad: adaptation"]
        assert stats["restarts"] == {}
    said = [r.getMessage() for r in caplog.records if "adaptation failed" in r.getMessage()]
    assert said == ["stream bad: adaptation failed; said once until it works again"]
