"""The SDK without async, against a real server."""

from __future__ import annotations

import asyncio
import itertools
import threading

import psutil
import pytest

from sightline import Client
from sightline.core.errors import StreamBusy, Unreachable
from support.serving import Running, picture

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_synchronous_client_does_the_same(url: str, stream: str) -> None:
    def use() -> None:
        with Client(url) as client:
            answers = list(client.publish(stream, (picture(i) for i in range(6))))
            assert sorted(a.seq for a in answers) == list(range(6))
            feed = client.publish(stream, (picture(i) for i in itertools.count()))
            next(feed)
            results = client.subscribe(stream, pictures=True)

            def keep_going() -> None:
                for _ in feed:
                    if done.is_set():
                        break

            done = threading.Event()
            other = threading.Thread(target=keep_going)
            other.start()
            result = next(results)
            done.set()
            other.join()
            assert result.picture == picture(result.seq)
            with pytest.raises(StreamBusy), Client(url) as another:
                next(another.publish(stream, [picture()]))
            feed.close()
            results.close()
            with pytest.raises(ZeroDivisionError):
                list(client.publish(stream, (picture(i // 0) for i in range(3))))
        with pytest.raises(Unreachable, match="closed"):
            next(client.subscribe(stream))

    await asyncio.to_thread(use)
    names = [t.name for t in threading.enumerate()]
    assert "sightline" not in names


async def test_closing_from_another_thread_ends_a_wait(server: Running, url: str, stream: str) -> None:
    us, it = psutil.Process(), psutil.Process(server.process.pid)
    await server.get("/stats")
    before = us.num_fds()
    client = Client(url)
    waiting = asyncio.create_task(asyncio.to_thread(lambda: next(client.subscribe(stream))))
    await server.until(lambda s: stream in s["streams"])
    it.suspend()  # so that it agrees to nothing
    try:
        await asyncio.to_thread(client.close)
        with pytest.raises(Unreachable, match="closed"):
            await waiting
        assert us.num_fds() <= before
    finally:
        it.resume()
