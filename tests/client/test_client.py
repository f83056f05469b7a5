"""The SDK against a real server, over TCP and over WebSocket."""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing

import cv2
import numpy as np
import psutil
import pytest

from sightline import AsyncClient
from sightline.client import Dropped, Result
from sightline.core.errors import (
    BadRequest,
    ConfigError,
    ProtocolError,
    StreamBusy,
    Unreachable,
)
from support.serving import Running, endless, picture, pixels, serving

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def published(url: str, stream: str, pictures: object) -> list[Result | Dropped]:
    async with AsyncClient(url) as client:
        return [answer async for answer in client.publish(stream, pictures)]  # type: ignore[arg-type]


async def jpegs(count: int) -> AsyncIterator[bytes]:
    for seq in range(count):
        yield picture(seq)


async def given_up() -> AsyncIterator[bytes]:
    """Pictures of somebody whose own work was cancelled."""
    yield picture()
    raise asyncio.CancelledError


# Publishing


@pytest.mark.parametrize(
    "make",
    [
        lambda: [picture(i) for i in range(20)],
        lambda: (picture(i) for i in range(20)),
        lambda: jpegs(20),
        lambda: [memoryview(picture(i)) for i in range(20)],
        lambda: (cv2.imdecode(np.frombuffer(picture(i), np.uint8), cv2.IMREAD_COLOR) for i in range(20)),
        lambda: [cv2.imdecode(np.frombuffer(picture(i), np.uint8), cv2.IMREAD_COLOR) for i in range(20)],
    ],
    ids=["list", "generator", "async generator", "memoryviews", "arrays", "list of arrays"],
)
async def test_every_picture_gets_one_answer(url: str, stream: str, make: Callable[[], object]) -> None:
    answers = await published(url, stream, make())
    assert sorted(a.seq for a in answers) == list(range(20))
    results = [a for a in answers if isinstance(a, Result)]
    assert results
    for result in results:
        assert (result.stream, result.width, result.height, result.model) == (stream, 320, 180, "motion")
        assert result.latency_ms is not None
        assert result.latency_ms >= result.processing_time_ms
        assert result.mask_kind == "instances"
        assert result.mask is not None
        assert pixels(result.mask, grey=True).max() == len(result.detections)
    found = [detection for result in results for detection in result.detections]
    assert found, "the square moves"
    assert all((d.class_name, 0 < d.confidence <= 1) == ("motion", True) for d in found)


async def test_at_most_max_pending_are_under_way_and_untaken(url: str, stream: str) -> None:
    pulled = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal pulled
        async for jpeg in jpegs(30):
            pulled += 1
            yield jpeg

    taken = 0
    async with AsyncClient(url) as client:
        async for _ in client.publish(stream, counted()):
            taken += 1
            assert pulled <= taken + 2
    assert taken == 30


async def test_with_one_pending_nothing_is_replaced(url: str, stream: str) -> None:
    async with AsyncClient(url) as client:
        answers = [a async for a in client.publish(stream, [picture(i) for i in range(12)], pending=1)]
    assert [a.seq for a in answers] == list(range(12))
    assert all(isinstance(a, Result) for a in answers)


async def test_who_takes_no_answers_sends_no_more(server: Running, url: str, stream: str) -> None:
    async with AsyncClient(url) as client, aclosing(client.publish(stream, endless())) as answers:
        await anext(answers)
        stats = await server.until(lambda s: s["streams"][stream]["received"] == 3)
        await published(url, f"{stream}-other", jpegs(20))
        assert (await server.stream(stream))["received"] == 3, stats


async def test_the_servers_rate_is_kept(stream: str, kind: str) -> None:
    async with serving("--tcp-port", "0", env={"SIGHTLINE_MAX_FPS": "5"}) as server:
        url = server.tcp if kind == "tcp" else server.ws
        async with AsyncClient(url) as client:
            answers = [a async for a in client.publish(stream, jpegs(6), pending=1)]
    assert [a.seq for a in answers] == list(range(6))
    assert all(isinstance(a, Result) for a in answers), "none came too fast"


async def test_drops_are_told(url: str, stream: str) -> None:
    big = picture(0, 1920, 1080)
    async with AsyncClient(url) as client, AsyncClient(url) as another, AsyncExitStack() as stack:
        mine = client.publish(stream, [big] * 40, adapt=False)
        busy = [another.publish(f"{stream}-busy-{n}", endless(), adapt=False) for n in range(4)]
        tasks = [asyncio.create_task(take_all(await stack.enter_async_context(aclosing(one)))) for one in busy]
        answers = [a async for a in mine]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert sorted(a.seq for a in answers) == list(range(40))
    assert {a.reason for a in answers if isinstance(a, Dropped)} == {"replaced"}


async def take_all(answers: AsyncIterator[Result | Dropped]) -> None:
    async for _ in answers:
        pass


async def test_a_picture_that_cannot_be_decoded_is_a_dropped_frame(url: str, stream: str) -> None:
    jpeg = picture()
    broken = jpeg[: jpeg.index(b"\xff\xda") + 14] + b"\xff\xd9"
    answers = await published(url, stream, [jpeg, broken, jpeg])
    assert sorted(a.seq for a in answers) == [0, 1, 2]


async def test_a_picture_that_can_not_be_taken_is_a_dropped_frame(url: str, stream: str) -> None:
    """Fault 11."""
    bad = [picture()[:60], picture() + bytes(5 << 20), b"\x89PNG\r\n\x1a\n", b""]
    answers = await published(url, stream, [picture(), *bad, picture()])
    told = {a.seq: a.reason for a in answers if isinstance(a, Dropped)}
    assert told == {1: "bad_image", 2: "too_large", 3: "bad_image", 4: "bad_image"}
    assert sorted(a.seq for a in answers) == list(range(6))


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: [np.zeros((4, 4), np.uint8)], TypeError, r"uint8 array of shape \(4, 4\)"),
        (lambda: [np.zeros((4, 4, 3))], TypeError, "float64"),
        (lambda: ["a.jpg"], TypeError, "str"),
        (lambda: picture(), TypeError, "int"),
        (lambda: (picture(n // n) for n in (1, 0)), ZeroDivisionError, "zero"),
        (lambda: given_up(), RuntimeError, "the pictures raised CancelledError"),
    ],
)
async def test_what_is_no_picture_is_raised(
    url: str, stream: str, make: Callable[[], object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await published(url, stream, make())


async def test_a_blocking_iterable_delays_no_answer(url: str, stream: str) -> None:
    answered = threading.Event()

    def pictures() -> Iterator[bytes]:
        yield picture()
        assert answered.wait(20), "the answer to the first comes before the second is there"
        yield picture(1)

    async with AsyncClient(url) as client:
        async for answer in client.publish(stream, pictures()):
            assert answer.seq in (0, 1)
            answered.set()


# Subscribing


async def test_subscribers_get_results_and_pictures(url: str, stream: str) -> None:
    async with (
        AsyncClient(url) as client,
        aclosing(client.subscribe(stream, pictures=True)) as shown,
        aclosing(client.subscribe(stream)) as told,
        aclosing(client.publish(stream, endless())) as answers,
    ):
        first_shown, first_told = asyncio.create_task(anext(shown)), asyncio.create_task(anext(told))
        while not (first_shown.done() and first_told.done()):
            await anext(answers)
        result = first_shown.result()
        assert result.picture == picture(result.seq)
        assert result.mask_kind == "instances"
        assert result.received_at is not None
        assert result.latency_ms is None
        assert first_told.result().picture is None


async def test_a_slow_subscriber_gets_the_newest_and_is_told_what_it_missed(url: str, stream: str) -> None:
    async with (
        AsyncClient(url) as client,
        aclosing(client.subscribe(stream, pictures=True)) as shown,
        aclosing(client.publish(stream, endless())) as answers,
    ):
        first = asyncio.create_task(anext(shown))
        while not first.done():
            await anext(answers)
        for _ in range(40):
            await anext(answers)
        seqs, missed = [first.result().seq], 0
        for _ in range(2):
            result = await anext(shown)
            seqs.append(result.seq)
            missed += result.missed
        assert seqs == sorted(seqs)
        assert missed > 0
        assert seqs[-1] - seqs[0] > 2


# What goes wrong


async def test_nobody_there_says_what_to_start(stream: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = taken.getsockname()[1]
        with pytest.raises(Unreachable, match=rf"nothing listens.*serve --tcp-port {port}"):
            await published(f"tcp://127.0.0.1:{port}", stream, [])
        with pytest.raises(Unreachable, match=rf"nothing listens.*serve --port {port}"):
            await published(f"ws://127.0.0.1:{port}", stream, [])


async def test_the_wrong_port_is_told(server: Running, stream: str) -> None:
    with pytest.raises(ProtocolError, match="does not speak as Sightline does over TCP"):
        await published(server.url.replace("http", "tcp"), stream, [])
    with pytest.raises(Unreachable, match="WebSocket"):
        await published(server.tcp.replace("tcp", "ws"), stream, [])
    with pytest.raises(Unreachable, match="HTTP status 403"):
        await published(server.ws + "/elsewhere", stream, [])


WRONG = ["ftp://localhost:1", "tcp://localhost", "localhost:9000", "tcp://x:99999", "ws:///x"]


@pytest.mark.parametrize("url", [*WRONG, "ws://127.0.0.1:1?a", "ws://127.0.0.1:1/#a", "ws://me:secret@127.0.0.1:1"])
async def test_a_wrong_url_is_told(url: str) -> None:
    with pytest.raises(ConfigError, match="address") as refused:
        AsyncClient(url)
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("token", ["a\nb", "ü", "a b"])
async def test_what_can_be_no_token_is_told(token: str) -> None:
    with pytest.raises(ConfigError, match="expected it as `sightline token` made it"):
        AsyncClient("ws://127.0.0.1:1", token=token)


async def test_the_address_of_the_page_will_do(server: Running, stream: str) -> None:
    assert [type(a) for a in await published(f"{server.url}/", stream, jpegs(1))] == [Result]


async def test_publishing_again_at_once_is_not_busy(url: str, stream: str) -> None:
    async with AsyncClient(url) as client:
        for _ in range(10):
            assert [type(a) async for a in client.publish(stream, jpegs(1))] == [Result]


async def test_a_busy_stream_and_a_bad_name_are_raised(url: str, stream: str) -> None:
    async with AsyncClient(url) as client, aclosing(client.publish(stream, endless())) as first:
        await anext(first)
        with pytest.raises(StreamBusy, match="has a camera already"):
            await published(url, stream, jpegs(1))
        with pytest.raises(BadRequest, match="stream name"):
            await published(url, "a b", jpegs(1))
        with pytest.raises(BadRequest, match="stream name"):
            await anext(client.subscribe("a b"))
        await anext(first)


# Letting go


async def test_whoever_stops_leaves_nothing_behind(server: Running, url: str, stream: str) -> None:
    process = psutil.Process()
    closed = threading.Event()

    def pictures() -> Iterator[bytes]:
        try:
            for seq in itertools.count():
                yield picture(seq)
        finally:
            closed.set()

    async def one_round() -> None:
        closed.clear()
        async with AsyncClient(url) as client:
            async with aclosing(client.publish(stream, pictures())) as answers:
                async for _ in answers:
                    break
            waiting = asyncio.create_task(anext(client.subscribe(stream)))
            await server.until(lambda s: stream in s["streams"])
            waiting.cancel()
            await asyncio.wait([waiting])
        await server.until(lambda s: s["streams"].get(stream, {}).get("state") != "live")
        await asyncio.to_thread(closed.wait, 20)
        assert closed.is_set(), "the caller's generator was closed"

    await one_round()
    await server.until(lambda _: all("pictures" not in t.name for t in threading.enumerate()))
    before = process.num_fds()
    for _ in range(10):
        await one_round()
    await server.until(lambda _: all("pictures" not in t.name for t in threading.enumerate()))
    assert process.num_fds() <= before


async def test_closing_the_client_ends_its_calls(url: str, stream: str) -> None:
    async with AsyncClient(url) as client:
        waiting = asyncio.create_task(anext(client.subscribe(stream)))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(Unreachable, match="client was closed"):
            await waiting


# What it needs


async def test_it_needs_no_server_no_engine_and_no_numpy() -> None:
    program = (
        "import sys\nfrom sightline import Client, AsyncClient\nc = Client('tcp://localhost:1')\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'numpy', 'cv2', 'fastapi', 'uvicorn', 'pydantic', 'av', 'onnxruntime', 'openvino', 'websockets'}))\n"
        "print(sorted({m.split('.')[1] for m in sys.modules if m.startswith('sightline.')}))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    out = (await process.communicate())[0].decode().splitlines()
    assert out == [
        "[]",
        "['client', 'core', 'wire']",
    ]


async def test_unknown_names_are_unknown() -> None:
    import sightline

    with pytest.raises(AttributeError, match="Clint"):
        _ = sightline.Clint
