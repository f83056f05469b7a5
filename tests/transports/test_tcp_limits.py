"""What a TCP peer may take of a real server's time and memory."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from support.leftovers import Held
from support.serving import Running, balanced, picture, serving
from support.tcp_peer import frame, fresh, packed, tcp_peer
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")
TCP = ("--tcp-port", "0")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving(*TCP, env={"SIGHTLINE_IDLE_TIMEOUT": "5"}) as s:
        yield s


async def test_a_silent_publisher_is_closed_and_a_ping_is_not_silence(server: Running) -> None:
    async with tcp_peer(server.tcp) as silent, tcp_peer(server.tcp) as pinging, tcp_peer(server.tcp) as watching:
        await silent.publish("silent", 1)
        await pinging.publish("pinging", 1)
        await watching.send({"type": "subscribe", "stream": "pinging"})
        await watching.next("status")

        async def ping() -> None:
            while True:
                await pinging.send({"type": "ping", "timestamp": 1})
                await pinging.next("pong")
                await asyncio.sleep(1)

        task = asyncio.create_task(ping())
        error = await silent.refused()
        assert (error["code"], "5 s" in error["message"]) == ("idle_timeout", True)
        task.cancel()
        await asyncio.wait([task])
        assert (await pinging.publish("pinging", 1))[0]["type"] == "result"
        assert (await watching.next("result"))["stream"] == "pinging", "who only listens need not talk"


async def test_who_connects_and_says_nothing_has_no_longer_than_for_a_request() -> None:
    env = {"SIGHTLINE_REQUEST_TIMEOUT": "1", "SIGHTLINE_IDLE_TIMEOUT": "600"}
    async with (
        serving("--tcp-port", "0", "--model", "motion", env=env) as server,
        tcp_peer(server.tcp) as speaks,
        tcp_peer(server.tcp) as silent,
    ):
        await speaks.publish("speaks", 1)
        assert (await silent.refused())["code"] == "idle_timeout"
        assert (await speaks.publish("speaks", 1))[0]["type"] == "result"


async def test_who_reads_no_answers_is_closed_and_the_rest_live_on(server: Running) -> None:
    async with tcp_peer(server.tcp) as good, tcp_peer(server.tcp, receive_bytes=4096) as deaf:
        asks = packed({"type": "subscribe", "stream": "!" * 256})  # is answered with its name
        name = fresh()

        async def talk() -> None:
            for seq in itertools.count():
                assert (await good.publish(name, 1, start=seq))[0]["type"] == "result"
                await deaf.send_raw(asks * 400)
                await asyncio.sleep(0.5)  # more than 1,000 a second would end it, too

        with pytest.raises(ConnectionError):
            await within(talk(), 60)
        await server.said("answers wait")
        assert (await good.publish(name, 1, start=1 << 30))[0]["type"] == "result"


FLOODS = {
    "pings": packed({"type": "ping", "timestamp": 1.5}),
    "frames": packed(frame("flood", 1)),
    "subscriptions": packed({"type": "subscribe", "stream": "f"}) + packed({"type": "unsubscribe", "stream": "f"}),
}


@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_of_messages_is_ended(server: Running, what: str) -> None:
    async with tcp_peer(server.tcp) as good, tcp_peer(server.tcp) as rude:
        with contextlib.suppress(ConnectionError):
            while True:
                await within(rude.send_raw(FLOODS[what] * 1000), 30)
        assert (await good.publish(fresh(), 1))[0]["type"] == "result"
        await server.said("more than 1000 messages a second")


async def test_many_streams_on_one_connection_may_send_more(server: Running) -> None:
    streams = [fresh() for _ in range(4)]
    async with tcp_peer(server.tcp) as camera:
        for name in streams:
            await camera.publish(name, 1)
        for seq in range(1, 400):
            await camera.send(*(frame(name, seq, b"") for name in streams))
        await camera.send({"type": "ping", "timestamp": 1.5})
        await camera.next("pong")


async def test_a_subscriber_whose_message_never_gets_whole_is_closed() -> None:
    async with serving(*TCP, env={"SIGHTLINE_IDLE_TIMEOUT": "1.5"}) as server, tcp_peer(server.tcp) as slow:
        await slow.send({"type": "subscribe", "stream": "x"})
        await slow.next("status")
        await slow.send_raw(packed({"type": "ping", "timestamp": 1.5})[:-1])
        assert (await slow.refused())["code"] == "idle_timeout"


async def test_a_stalled_subscriber_costs_the_others_nothing(server: Running) -> None:
    big = picture(0, 1280, 720) + bytes(200_000)
    async with tcp_peer(server.tcp) as camera, tcp_peer(server.tcp) as stalled, tcp_peer(server.tcp) as viewer:
        for subscriber in (stalled, viewer):
            await subscriber.send({"type": "subscribe", "stream": "stalled", "pictures": True})
            await subscriber.next("status")
        lost = 0
        for seq in range(200):
            await camera.send(frame("stalled", seq, big))
            if (await camera.next("result", "dropped"))["type"] == "result":
                assert (await viewer.next("result"))["seq"] == seq
            stats = (await server.stream("stalled"))["viewer_stats"]
            lost = max(s["dropped"] for s in stats)
            if lost > 5:
                break
        assert lost > 5, "the stalled one loses pictures"
        assert min(s["dropped"] for s in stats) == 0, "the other none"


async def test_killed_peers_leave_nothing_behind(server: Running) -> None:
    async def one_round(n: int) -> None:
        async with AsyncExitStack() as stack:
            camera = await stack.enter_async_context(tcp_peer(server.tcp))
            viewer = await stack.enter_async_context(tcp_peer(server.tcp))
            await viewer.send({"type": "subscribe", "stream": "killed", "pictures": True})
            await camera.send(frame("killed", n))
            await viewer.next("result")
            await camera.send_raw(packed(frame("killed", n + 1)) + packed(frame("killed", n + 2))[:-100])
            for p in (camera, viewer):
                p.writer.transport.abort()
        await server.until(lambda s: s["streams"]["killed"]["state"] == "waiting")

    for n in range(3):
        await one_round(n)
    before = Held.by(server)
    for n in range(25):
        await one_round(n)
    stats = await server.until(lambda s: s["streams"]["killed"]["in_flight"] == 0)
    assert balanced(stats["streams"]["killed"])
    await server.until(lambda _: Held.by(server).like(before))
