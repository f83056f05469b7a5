"""``/video/{stream}.mp4``: live H.264 in fragmented MP4, as PyAV plays it, and readers who can't keep up."""

from __future__ import annotations

import asyncio
import io
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from sightline.streams.rendering import MOST_LOOKS
from sightline.transports._encoding import Encoders
from support.serving import Peer, Running, balanced, left, metadata, peer, picture, serving
from support.waiting import within

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAYER = """
import contextlib, itertools, sys
import av, numpy
url, count, path = sys.argv[1:]
frames = []
with av.open(url, timeout=20) as container:
    with contextlib.suppress(av.error.OSError):  # what PyAV 19 calls the end of any answer in chunks
        frames.extend(itertools.islice(container.decode(video=0), int(count)))
numpy.savez(path, times=[frame.time for frame in frames], key=frames[0].key_frame,
            frames=[frame.to_ndarray(format="rgb24") for frame in frames])
"""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server() -> AsyncIterator[Running]:
    async with serving("--model", "motion", env={"SIGHTLINE_MAX_FPS": "240"}) as running:
        yield running


@asynccontextmanager
async def camera(server: Running, name: str, *, noise: bool = False, fps: float = 25) -> AsyncIterator[Peer]:
    """A camera whose square jumps; with ``noise`` each picture takes many bytes."""
    rng = np.random.default_rng(1)

    async def send(publisher: Peer) -> None:
        seq = 0
        while True:
            await publisher.send_frame(seq, noisy(rng) if noise else picture(seq))
            await publisher.next("result", "dropped")
            await asyncio.sleep(1 / fps)
            seq += 1

    async with peer(f"{server.ws}/ws/camera/{name}") as publisher:
        sending = asyncio.create_task(send(publisher))
        await server.until(lambda s: s.get("delivered", 0) > 1, path=f"/api/streams/{name}")
        yield publisher
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def noisy(rng: np.random.Generator) -> bytes:
    return bytes(cv2.imencode(".jpg", rng.integers(0, 255, (360, 640, 3), dtype=np.uint8))[1])


@dataclass(frozen=True)
class Played:
    """The first pictures of a video, as a player has them."""

    times: list[float]
    key: bool
    """Whether the first one was a key frame."""
    frames: NDArray[np.uint8]
    """N x height x width x 3, RGB."""


async def played(url: str, count: int, folder: Path) -> Played:
    """Play a video with PyAV in a process of its own: it lets no other thread run while it opens an address."""
    path = folder / "played.npz"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", PLAYER, url, str(count), str(path))
    async with asyncio.timeout(60):
        assert await process.wait() == 0
    with np.load(path) as found:
        return Played(found["times"].tolist(), bool(found["key"]), found["frames"])


async def test_pyav_plays_it_from_a_key_frame_of_now(server: Running, tmp_path: Path) -> None:
    async with camera(server, "door"):
        drawn = await played(f"{server.url}/video/door.mp4", 12, tmp_path)
        plain = await played(f"{server.url}/video/door.mp4?mode=none", 12, tmp_path)
        for one in (drawn, plain):
            assert one.frames.shape == (12, 180, 320, 3)
            assert one.key
            assert one.times[0] == 0
            assert all(0 < after - before < 2 for before, after in pairwise(one.times))
        places = {int(np.flatnonzero(frame[90].max(axis=1) > 150)[0]) for frame in plain.frames}
        assert len(places) > 3, "the square jumps"
        assert all(any(abs(place - left(seed)) < 4 for seed in range(240)) for place in places)
        spread = [one.frames.max(axis=3).astype(int) - one.frames.min(axis=3) for one in (drawn, plain)]
        assert (spread[0] > 100).mean() > (spread[1] > 100).mean(), "boxes are drawn in"
        stream = await server.until(lambda s: s["viewers"] == 0 and balanced(s), path="/api/streams/door")
        assert balanced(stream)


async def test_all_pictures_have_the_size_of_the_first(server: Running, tmp_path: Path) -> None:
    async with peer(f"{server.ws}/ws/camera/turned") as publisher:

        async def send() -> None:
            seq = 0
            while True:
                width, height = (320, 180) if seq < 40 else (180, 320)
                await publisher.ws.send(metadata(seq, width=width, height=height, timestamp=1000.0 + seq))
                await publisher.ws.send(picture(seq, width, height))
                await publisher.next("result", "dropped")
                await asyncio.sleep(0.03)
                seq += 1

        sending = asyncio.create_task(send())
        await server.until(lambda s: s.get("delivered", 0) > 1, path="/api/streams/turned")
        found = await played(f"{server.url}/video/turned.mp4?mode=none", 60, tmp_path)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert found.frames.shape[1:] == (180, 320, 3)
    assert found.frames[-1, :, :60].max() < 30, "black beside what stands upright"
    assert found.frames[-1, :, 140:180].max() > 30


async def test_who_does_not_read_misses_pictures_and_goes_on_at_a_key_frame(server: Running, tmp_path: Path) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    async with camera(server, "yard", noise=True, fps=60):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, (host, int(port)))
            await loop.sock_sendall(slow, b"GET /video/yard.mp4?mode=none HTTP/1.0\r\nHost: localhost\r\n\r\n")
            told = await server.until(
                lambda s: bool(s["viewer_stats"]) and s["viewer_stats"][0]["dropped"] > 20, path="/api/streams/yard"
            )
            (stats,) = told["viewer_stats"]
            stuck = stats["sent"]
            quick = await played(f"{server.url}/video/yard.mp4?mode=none", 20, tmp_path)
            assert len(quick.frames) == 20, "it costs others nothing"
            data = bytearray()
            reading = asyncio.create_task(_read(slow, data))
            await server.until(
                lambda s: any(one["sent"] > stuck + 20 for one in s["viewer_stats"]), path="/api/streams/yard"
            )
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        stream = await server.until(balanced, path="/api/streams/yard")
        assert stream["dropped"].keys() <= {"replaced", "unwatched", "rate"}
    with av.open(io.BytesIO(whole(bytes(data))), "r") as container:
        packets = [(packet.pts / 90_000, packet.is_keyframe) for packet in container.demux(video=0) if packet.pts]
    gap, key = max((after - before, key) for (before, _), (after, key) in pairwise(packets))
    assert gap > 0.2, "pictures were missed"
    assert key, "it goes on with one that needs no earlier ones"


def whole(answer: bytes) -> bytes:
    """The body of an answer that came in chunks, as far as it came."""
    rest, body = answer.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body, rest = body + rest[: int(size or b"0", 16)], rest[int(size or b"0", 16) + 2 :]
    return body


async def _read(slow: socket.socket, data: bytearray) -> None:
    loop = asyncio.get_running_loop()
    while part := await loop.sock_recv(slow, 65536):
        data += part


async def test_it_ends_with_the_camera_and_is_refused_without_one(server: Running, tmp_path: Path) -> None:
    for path, status in (("nobody.mp4", 404), ("a%20b.mp4", 400)):
        assert (await server.http.get(f"/video/{path}")).status_code == status
    async with camera(server, "short"):
        assert (await server.http.get("/video/short.mp4?mode=nonsense")).status_code == 400
        reading = asyncio.create_task(played(f"{server.url}/video/short.mp4", 10_000, tmp_path))
        await server.until(lambda s: s["viewers"] == 1 and s["viewer_stats"][0]["sent"] > 3, path="/api/streams/short")
    assert len((await within(reading, 60)).frames) > 2


@pytest.mark.parametrize("path", ["video/ways.mp4", "mjpeg/ways"])
async def test_a_stream_is_drawn_in_few_ways_at_a_time(server: Running, path: str) -> None:
    async with camera(server, "ways"), AsyncExitStack() as stack:

        async def begun(opacity: int) -> int:
            address = f"/{path}?opacity={opacity}"
            return (await stack.enter_async_context(server.http.stream("GET", address))).status_code

        assert [await begun(5 * n) for n in range(MOST_LOOKS)] == [200] * MOST_LOOKS
        assert [await begun(95), await begun(0)] == [429, 200]


async def test_one_encoding_serves_all_readers_of_a_size() -> None:
    encoders: Encoders[bytes] = Encoders(500, lambda codec: bytes)
    first = encoders.join("door", None, "H264", (320, 180))
    assert encoders.join("door", None, "H264", (320, 180)) is first
    assert encoders.join("door", None, "H264", (160, 90)) is not first
    encoders.close()
