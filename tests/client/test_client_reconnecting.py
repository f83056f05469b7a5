"""The SDK while connections are lost, over TCP and over WebSocket."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

from sightline import AsyncClient
from sightline.client import Dropped, Result, asynchronous
from sightline.core.errors import LimitReached, ShuttingDown, SightlineError, Unreachable
from support.rtsp import free_port
from support.serving import endless, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_lost_server_is_waited_for_and_lost_frames_are_told(kind: str) -> None:
    tcp, http = free_port(), free_port()
    url = f"tcp://127.0.0.1:{tcp}" if kind == "tcp" else f"ws://127.0.0.1:{http}"
    options = ("--tcp-port", str(tcp), "--port", str(http))
    pending = 2
    taken = 0
    answers: list[Result | Dropped] = []
    results: list[Result] = []
    calls: list[asyncio.Task[None]] = []

    async def pictures() -> AsyncIterator[bytes]:
        nonlocal taken
        async for jpeg in endless():
            taken += 1
            yield jpeg

    async def publish(client: AsyncClient) -> None:
        async for answer in client.publish("door", pictures(), pending=pending, adapt=False):
            answers.append(answer)

    async def subscribe(client: AsyncClient) -> None:
        async for result in client.subscribe("door"):
            results.append(result)

    async def until(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                for call in calls:
                    assert not call.done(), call.result()
                await asyncio.sleep(0.005)

    def lost() -> int:
        return sum(isinstance(answer, Dropped) and answer.reason == "disconnected" for answer in answers)

    async with AsyncClient(url) as client:
        for n in range(3):
            async with serving(*options) as server:
                answered, shown = len(answers), len(results)
                if n == 0:
                    calls += [asyncio.create_task(call(client)) for call in (publish, subscribe)]
                await until(lambda: len(answers) > answered + pending and len(results) > shown)  # noqa: B023
                server.process.send_signal(signal.SIGSTOP)  # so that frames are under way when it dies
                await until(lambda: taken - len(answers) >= pending)
                before = lost()
                server.process.kill()
                await server.process.wait()
                await until(lambda: lost() > before)  # noqa: B023
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
    assert sorted(answer.seq for answer in answers) == list(range(len(answers))), "one answer a picture"


async def test_a_connection_that_the_server_does_not_know_to_be_lost_gives_way(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    ours: list[asyncio.StreamWriter] = []
    servers: list[asyncio.StreamWriter] = []
    async with serving("--tcp-port", "0") as server:
        there = urlsplit(server.tcp if kind == "tcp" else server.ws)

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await reader.read(1 << 16):  # the end of one side is not told to the other
                    writer.write(data)
                    await writer.drain()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            out_reader, out_writer = await asyncio.open_connection(there.hostname, there.port)
            servers.append(out_writer)
            ours.append(writer)
            await asyncio.gather(carry(reader, out_writer), carry(out_reader, writer))

        between = await asyncio.start_server(relay, "127.0.0.1", 0)
        port = between.sockets[0].getsockname()[1]
        async with AsyncClient(f"{there.scheme}://127.0.0.1:{port}") as client:
            async with aclosing(client.publish("door", endless())) as answers:
                await anext(answers)
                ours[0].transport.abort()
                while len(ours) == 1:
                    await anext(answers)
                while not isinstance(await anext(answers), Result):
                    pass
            between.close()
            for writer in (*ours, *servers):
                writer.close()
    assert len(ours) == 2
    assert "has a camera already" not in caplog.text


async def test_without_reconnect_a_lost_server_is_raised(kind: str) -> None:
    async with serving("--tcp-port", "0") as server:
        url = server.tcp if kind == "tcp" else server.ws
        async with AsyncClient(url, reconnect=False) as client, aclosing(client.publish("door", endless())) as answers:
            await anext(answers)
            server.process.terminate()

            async def take_all() -> None:
                async for answer in answers:
                    assert isinstance(answer, Result) or answer.reason in ("disconnected", "closed", "replaced", "rate")

            with pytest.raises(SightlineError, match="shutting down"):
                await take_all()


async def test_a_server_that_is_restarted_is_tried_often_for_a_minute_and_then_rarely(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Attempts must be well below 0.5 s apart, or nobody is back 0.5 s after the server listens again."""
    now, waits = 1000.0, list[float]()
    monkeypatch.setattr(asynchronous, "time", SimpleNamespace(monotonic=lambda: now))
    retry = asynchronous._Retry("tcp://door", asyncio.Event(), enabled=True, busy_until=0)
    retry.connected()
    for _ in range(2):
        retry.answered()
        begun = now
        while now < begun + 60:
            waits.append(retry.after(Unreachable("nothing listens there")))
            now += waits[-1]
        assert max(waits) <= 0.3
        assert len(waits) < 500, "it does not hammer"
        waits.clear()
        while now < begun + 300:
            waits.append(retry.after(ShuttingDown("the server is shutting down")))
            now += waits[-1]
        assert max(waits) > 4
        assert max(waits) <= 10
        assert len(waits) < 60
        waits.clear()


async def test_a_server_that_refuses_is_not_tried_several_times_a_second() -> None:
    retry = asynchronous._Retry("tcp://door", asyncio.Event(), enabled=True, busy_until=0)
    retry.connected()
    retry.answered()
    waits = [retry.after(LimitReached("the server is full")) for _ in range(8)]
    assert sum(waits) > 15
