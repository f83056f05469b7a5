"""Events and the stages' extras over the SDK, from a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio
from msgspec import Struct, ValidationError
from msgspec.structs import replace

from sightline import AsyncClient, Client
from sightline.client import Event, Result
from sightline.core.errors import BadRequest, ConfigError, Unreachable
from sightline.core.events import Phase
from sightline.core.types import Frame, FrameResult
from sightline.streams.stream import Stream
from support.events import event as new_event
from support.inside import Inside, inside
from support.rtsp import free_port
from support.serving import camera, endless, peer
from support.streams import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Counts(Struct):
    """What a stage of a test says."""

    now: dict[str, int]
    smoothed: float = 0.0


class Wrong(Struct):
    now: str


def event(stream: str = "door", number: int = 0, phase: Phase = "start", run: str = "") -> Event:
    """``run``: what makes its id another one than those of earlier tests."""
    box = (1.0, 2.0, 3.0, 4.0)
    return Event(id=f"{run}{number}", stream=stream, phase=phase, kind="object", at=1700000000.5, seq=number, box=box)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Inside]:
    async with inside() as s:
        yield s


@pytest.mark.parametrize("stream", [None, "door"])
async def test_events_come_as_they_happened(server: Inside, url: str, stream: str | None) -> None:
    run = f"{url[:2]}-{stream}-"
    made = [event(number=1, run=run), event("hall", 2, run=run)]
    made += [event(number=1, run=run, phase=phase) for phase in ("update", "end")]
    async with AsyncClient(url) as client, aclosing(client.events(stream)) as events:
        first = asyncio.create_task(anext(events))
        await server.listeners(1)
        server.emit(*made)
        wanted = [e for e in made if stream in (None, e.stream)]
        got = [await first] + [await anext(events) for _ in wanted[1:]]
    assert [replace(one, number=0) for one in got] == wanted
    assert 0 < got[0].number < got[-1].number
    await server.listeners(0)


async def test_the_synchronous_client_has_them_too(server: Inside, url: str) -> None:
    def first() -> Event:
        with Client(url) as client:
            return next(client.events("door"))

    waiting = asyncio.create_task(asyncio.to_thread(first))
    await server.listeners(1)
    server.emit(event("hall", run=url), event(number=7, run=url[:2]))
    assert (await waiting).id == f"{url[:2]}7"
    await server.listeners(0)


async def test_a_stream_that_can_not_be_is_refused(url: str) -> None:
    async with AsyncClient(url) as client:
        with pytest.raises(BadRequest, match="expected 1 to 64 letters"):
            await anext(client.events("a b"))


@pytest.mark.parametrize("kind", ["tcp", "ws"])
async def test_a_lost_server_is_waited_for(kind: str) -> None:
    tcp, http = free_port(), free_port()
    url = f"tcp://127.0.0.1:{tcp}" if kind == "tcp" else f"ws://127.0.0.1:{http}"
    got: list[Event] = []

    async def listen(client: AsyncClient) -> None:
        async for one in client.events():
            got.append(one)

    async with AsyncClient(url) as client:
        for number in range(2):
            async with inside(tcp_port=tcp, port=http) as server:
                if number == 0:
                    listening = asyncio.create_task(listen(client))
                await server.listeners(1)
                server.emit(event(number=number))
                async with asyncio.timeout(30):
                    while len(got) <= number:
                        assert not listening.done(), listening.result()
                        await asyncio.sleep(0.005)
        listening.cancel()
    assert [one.id for one in got] == ["0", "1"]


@pytest.mark.parametrize("kind", ["tcp", "ws"])
async def test_what_happens_while_the_connection_is_lost_is_told_afterwards_and_once(kind: str, tmp_path: Path) -> None:
    """Also what happened before the first event came, and while nobody took what came."""
    tcp, http = free_port(), free_port()
    url = f"tcp://127.0.0.1:{tcp}" if kind == "tcp" else f"ws://127.0.0.1:{http}"
    made = [new_event(stream="yard" if n % 3 == 0 else "door") for n in range(600)]
    got: list[Event] = []
    may_take = asyncio.Event()

    async def listen(client: AsyncClient) -> None:
        async for one in client.events("door"):
            got.append(one)
            await may_take.wait()

    async with AsyncClient(url) as client:
        async with inside(tcp_port=tcp, port=http, data=tmp_path) as server:
            listening = asyncio.create_task(listen(client))
            await server.listeners(1)
        async with inside(tcp_port=tcp, port=http, data=tmp_path) as server:
            server.emit(*made[:10])
            await until(lambda: bool(got) or listening.done())
            server.emit(*made[10:590])  # more than wait on the way, while nobody takes them
        async with inside(tcp_port=tcp, port=http, data=tmp_path) as server:
            server.emit(*made[590:], *(replace(one, phase="end") for one in made[590:]))
            may_take.set()
            await until(lambda: len(got) == 2 * 400 or listening.done())
        listening.cancel()
    ids = [one.id for one in made if one.stream == "door"]
    assert [one.id for one in got if one.phase == "start"] == ids
    assert sorted(one.id for one in got if one.phase == "end") == sorted(ids)


async def test_filters_leave_out_what_is_not_asked_for(server: Inside, url: str) -> None:
    stream = f"filters-{url[:2]}"
    made = [
        new_event(stream=stream, kind=kind, class_name=name, zone=zone)
        for kind in ("zone", "line")
        for name in ("person", "car")
        for zone in ("drive", "gate")
    ]
    async with (
        AsyncClient(url) as client,
        aclosing(client.events(stream, kind="zone", class_name="car")) as cars,
        aclosing(client.events(stream, zone="gate", kind="line")) as gate,
    ):
        tasks = [asyncio.create_task(anext(cars)), asyncio.create_task(anext(gate))]
        await server.listeners(2)
        server.emit(*made)
        assert [(await tasks[0]).id, (await anext(cars)).id] == [made[2].id, made[3].id]
        assert [(await tasks[1]).id, (await anext(gate)).id] == [made[5].id, made[7].id]
        async with aclosing(client.events(stream, rule="none", after=0)) as none:
            waiting = asyncio.create_task(anext(none))
            await server.listeners(3)
            waiting.cancel()
            await asyncio.wait([waiting])
        async with aclosing(client.events(stream, after=0)) as everything:
            assert [(await anext(everything)).id for _ in made] == [one.id for one in made]


async def test_past_events_come_page_by_page_over_http(server: Inside) -> None:
    made = [new_event(stream="past", at=5000.0 + n) for n in range(205)]
    async with AsyncClient(server.ws) as client:
        waiting = asyncio.create_task(anext(client.events("past")))
        await server.listeners(1)
        server.emit(*made, replace(made[0], phase="end", seconds=2.5))
        await waiting
        async with aclosing(client.events("past", after=0)) as everything:
            for _ in range(206):
                await anext(everything)
        found = [one.id async for one in client.past_events("past")]
        assert found == [one.id for one in reversed(made)]
        (ended,) = [one async for one in client.past_events("past", lasting=False)]
        assert (ended.id, ended.seconds, ended.started_at) == (made[0].id, 2.5, 5000.0)
        some = [one.id async for one in client.past_events("past", since=5001, until=5002.5, kind="zone")]
        assert some == [made[2].id, made[1].id]
        with pytest.raises(BadRequest, match="stream name"):
            await anext(client.past_events("a b"))
    with Client(server.ws) as synchronous:
        assert next(synchronous.past_events("past")).id == made[-1].id
    with pytest.raises(ConfigError, match="over HTTP"):
        await anext(AsyncClient(server.tcp).past_events())
    with pytest.raises(Unreachable):
        await anext(AsyncClient(f"ws://127.0.0.1:{free_port()}").past_events())


async def test_a_wrong_number_is_told(server: Inside) -> None:
    for after in ("-1", "last", "9" * 20, "1.5", "%C2%B2"):
        async with peer(f"{server.ws}/ws?events=1&after={after}") as refused:
            assert "expected the number of an event" in (await refused.refused())["message"]


async def test_on_a_socket_events_stand_alone_unless_results_are_wanted_too(server: Inside) -> None:
    async with (
        camera(server, "busy"),  # type: ignore[arg-type]
        peer(f"{server.ws}/ws?events=1&stream=busy") as alone,
        peer(f"{server.ws}/ws?events=1&results=1&stream=busy") as both,
    ):
        await server.listeners(2)
        await both.next("result")
        server.emit(event("busy"))
        message, _ = await alone.receive()
        assert message.pop("number") > 0
        assert message == {
            "type": "event",
            "id": "0",
            "stream": "busy",
            "phase": "start",
            "kind": "object",
            "at": 1700000000.5,
            "seq": 0,
            "box": [1.0, 2.0, 3.0, 4.0],
        }
        other, _ = await both.next("event")
        assert other.pop("number") > 0
        assert other == message
    for query, wrong in (("events=2", "events=2: expected 0 or 1"), ("results=0", "without events=1")):
        async with peer(f"{server.ws}/ws?{query}") as refused:
            assert wrong in (await refused.refused())["message"]


async def test_extras_reach_publishers_and_subscribers(
    server: Inside, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver = Stream.deliver

    def with_extras(self: Stream, result: FrameResult) -> None:
        deliver(self, result.changed(extras={"counts": Counts({"person": result.frame.seq})}))

    monkeypatch.setattr(Stream, "deliver", with_extras)
    name = f"extras-{url[:2]}"
    async with (
        AsyncClient(url) as client,
        aclosing(client.publish(name, endless(), pending=1)) as answers,
        aclosing(client.subscribe(name)) as plain,
        aclosing(client.subscribe(name, pictures=True)) as shown,
    ):
        answer = await anext(answers)
        assert isinstance(answer, Result)
        assert answer.extras == {"counts": {"now": {"person": 0}, "smoothed": 0.0}}
        assert answer.extra("counts", Counts) == Counts({"person": 0})
        assert answer.extra("zones", Counts) is None
        with pytest.raises(ValidationError, match="now"):
            answer.extra("counts", Wrong)
        for results in (plain, shown):
            waiting = asyncio.create_task(anext(results))
            while not waiting.done():
                await anext(answers)
            got = await waiting
            assert got.extra("counts", Counts) == Counts({"person": got.seq})


async def test_a_reused_result_has_extras_of_its_own(server: Inside, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = Stream.deliver
    seen: list[Frame] = []

    def with_extras(self: Stream, result: FrameResult) -> None:
        seen.append(result.frame)
        reused = seen[0] if len(seen) > 1 else None
        deliver(self, result.changed(reused=reused, extras={"counts": Counts({"person": result.frame.seq})}))

    monkeypatch.setattr(Stream, "deliver", with_extras)
    name = f"still-{url[:2]}"
    got: list[Result] = []
    async with AsyncClient(url) as client, aclosing(client.subscribe(name, pictures=True)) as shown:
        waiting = asyncio.create_task(anext(shown))
        await server.viewers(name, 1)
        async with aclosing(client.publish(name, endless(), pending=1)) as answers:
            while len(got) < 3:
                await anext(answers)
                if waiting.done():
                    got.append(waiting.result())
                    waiting = asyncio.create_task(anext(shown))
        waiting.cancel()
        await asyncio.wait([waiting])
    assert got[-1].reused
    assert {one.picture for one in got} == {got[0].picture}
    assert [one.extra("counts", Counts) for one in got] == [Counts({"person": one.seq}) for one in got]
