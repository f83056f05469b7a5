"""Numbered pictures, on every way in and at any rate: each gets its result, or is counted with the reason."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from io import BufferedIOBase
from pathlib import Path

import av
import cv2
import httpx2
import numpy as np
from numpy.typing import NDArray

from sightline.client import AsyncClient
from sightline.core.predictions import Prediction
from sightline.core.types import Image
from sightline.models.base import Options
from support import rtc
from support.clips import number_of, numbered, write_clip
from support.http_files import files, sending
from support.inside import Inside, inside
from support.rtsp import RtspServer
from support.serving import Json, balanced
from support.working import MadeModel, loading

RATES = {0.5: 3, 1: 4, 5: 8, 10: 12, 25: 20, 60: 40}
"""Pictures a second, and how many of them there are."""
COUNTED = {"unwatched", "adapted", "replaced", "rate", "late", "undecodable", "closed"}
"""Reasons that a picture may be left out for, where everything goes well."""


class Reading(MadeModel):
    """A model that reads the numbers out of the pictures that it is given."""

    def __init__(self) -> None:
        self.numbers: dict[str, list[int]] = defaultdict(list)

    def found(self, images: Sequence[Image], streams: Sequence[str], options: Sequence[Options]) -> list[Prediction]:
        for image, stream in zip(images, streams, strict=True):
            self.numbers[stream].append(number_of(image))
        return super().found(images, streams, options)


@dataclass(frozen=True)
class Pace:
    """``count`` pictures, ``fps`` a second, from when ``begin`` is set. ``over`` ends all cameras."""

    fps: float
    count: int
    begin: threading.Event
    over: threading.Event

    def __iter__(self) -> Iterator[int]:
        self.begin.wait(60)
        began = time.monotonic()
        for number in range(self.count):
            self.over.wait(began + number / self.fps - time.monotonic())
            yield number

    async def pictures(self) -> AsyncIterator[bytes]:
        began = time.monotonic()
        for number in range(self.count):
            await asyncio.sleep(began + number / self.fps - time.monotonic())
            yield jpeg(number)


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


# Ways in that the server pulls: what a source is named by


def once(send: Callable[[BufferedIOBase], None], pace: Pace) -> Callable[[BufferedIOBase], None]:
    """Who comes again gets nothing."""
    began = threading.Event()

    def first(out: BufferedIOBase) -> None:
        if began.is_set():
            pace.over.wait(60)
        else:
            began.set()
            send(out)

    return first


def motion_jpeg(stack: ExitStack, pace: Pace, folder: Path) -> str:
    def send(out: BufferedIOBase) -> None:
        for number in pace:
            data = jpeg(number)
            out.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            out.write(data + b"\r\n")
        pace.over.wait(60)

    return stack.enter_context(sending(send))


def rtsp(stack: ExitStack, pace: Pace, folder: Path) -> str:
    def picture(number: int, width: int, height: int) -> Image:
        pace.begin.wait(60)
        return numbered(number, width, height)

    server = RtspServer(fps=pace.fps, size=(64, 48), picture=picture, count=pace.count)
    return stack.enter_context(server).url


def live_video(stack: ExitStack, pace: Pace, folder: Path) -> str:
    def send(out: BufferedIOBase) -> None:
        with av.open(out, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            video = container.add_stream("libx264", rate=60, options={"preset": "ultrafast", "tune": "zerolatency"})
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for number in pace:
                frame = av.VideoFrame.from_ndarray(numbered(number), format="bgr24")
                frame.pts, frame.time_base = round(number / pace.fps * 1000), Fraction(1, 1000)
                container.mux(video.encode(frame))

    return stack.enter_context(sending(once(send, pace), "video/mp2t"))


def clip(pace: Pace, folder: Path) -> Path:
    folder.mkdir()
    times = [number / pace.fps for number in range(pace.count)]
    return write_clip(folder / f"{pace.fps:g}.mp4", map(numbered, range(pace.count)), times=times)


def video_file(stack: ExitStack, pace: Pace, folder: Path) -> str:
    return str(clip(pace, folder))


def video_over_http(stack: ExitStack, pace: Pace, folder: Path) -> str:
    return f"{stack.enter_context(files(clip(pace, folder).parent))}/{pace.fps:g}.mp4"


def playlist(stack: ExitStack, pace: Pace, folder: Path) -> str:
    """HLS that has ended. Segments of MPEG-TS as small as these are none to FFmpeg."""
    options = {"hls_list_size": "0", "hls_segment_type": "fmp4"}
    with (
        av.open(str(clip(pace, folder))) as made,
        av.open(str(folder / "a.m3u8"), "w", format="hls", options=options) as out,
    ):
        stream = out.add_stream_from_template(made.streams.video[0])
        for packet in made.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    return f"{stack.enter_context(files(folder))}/a.m3u8"


def snapshots(stack: ExitStack, pace: Pace, folder: Path) -> str:
    """A camera that has another picture whenever it is asked."""
    pictures = iter(pace)

    def send(out: BufferedIOBase) -> None:
        number = next(pictures, None)
        if number is None:
            pace.over.wait(60)
        else:
            out.write(jpeg(number))

    return f"{stack.enter_context(sending(send, 'image/jpeg'))}/snap#fps={pace.fps:g}"


def pictures_folder(stack: ExitStack, pace: Pace, folder: Path) -> str:
    folder.mkdir()
    for number in range(pace.count):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    return str(folder)


PULLED = {
    "mjpeg": motion_jpeg,
    "rtsp": rtsp,
    "live": live_video,
    "file": video_file,
    "http": video_over_http,
    "hls": playlist,
    "snapshots": snapshots,
    "folder": pictures_folder,
}
FIXED = {"folder": (1,)}
"""Rates of ways that have no other."""


def name_of(way: str, fps: float) -> str:
    return f"{way}-{fps * 10:g}"


# Ways in that a peer pushes


async def over_client(address: str, pace: Pace, name: str) -> None:
    async with AsyncClient(address) as client:
        answers = [answer async for answer in client.publish(name, pace.pictures(), adapt=False)]
    assert sorted(answer.seq for answer in answers) == list(range(pace.count)), "one answer each"


async def websocket(server: Inside, pace: Pace, name: str) -> None:
    await over_client(server.ws, pace, name)


async def tcp(server: Inside, pace: Pace, name: str) -> None:
    await over_client(server.tcp, pace, name)


class NumberedVideo(rtc.Clip):
    """Ends with silence."""

    def __init__(self, pace: Pace) -> None:
        super().__init__(fps=pace.fps)
        self._count = pace.count

    def picture(self, number: int) -> NDArray[np.uint8]:
        return numbered(number, 320, 180)

    async def recv(self) -> av.VideoFrame:
        if self.sent == self._count:
            await asyncio.Event().wait()
        return await super().recv()


async def webrtc(server: Inside, pace: Pace, name: str) -> None:
    async with (
        httpx2.AsyncClient(base_url=server.http, timeout=30) as http,
        rtc.camera(rtc.Calling(http), name, clip=NumberedVideo(pace)),
    ):
        await server.figures(lambda s: settled(s["streams"].get(name), pace.count))


async def posted(server: Inside, pace: Pace, name: str) -> None:
    async with httpx2.AsyncClient(base_url=server.http, timeout=30) as http:
        answers = [await http.post("/api/predict", content=data) async for data in pace.pictures()]
    assert [answer.status_code for answer in answers] == [200] * pace.count


PUSHED = {"websocket": websocket, "tcp": tcp, "webrtc": webrtc, "posted": posted}


def settled(ledger: Json | None, count: int) -> bool:
    return ledger is not None and bool(ledger["received"] >= count and ledger["in_flight"] == 0)


async def test_each_picture_is_answered_or_counted_on_every_way_at_every_rate(tmp_path: Path) -> None:
    """Fault 1: motion JPEG of 1 fps gave 2 results of 20, of 5 fps 13 of 100, and nothing was counted."""
    begin, over = threading.Event(), threading.Event()
    paces = {fps: Pace(fps, count, begin, over) for fps, count in RATES.items()}
    pulled = {name_of(way, fps): (way, paces[fps]) for way in PULLED for fps in FIXED.get(way, RATES)}
    pushed = {name_of(way, fps): (way, paces[fps]) for way in PUSHED for fps in RATES}
    reading = Reading()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(over.set)
        cameras = stack.enter_context(ExitStack())
        sources = {name: PULLED[way](cameras, pace, tmp_path / name) for name, (way, pace) in pulled.items()}
        wanting = {"kind": "jsonl", "path": str(tmp_path / "out.jsonl")}  # all results, from the first
        given: Json = {"sources": sources, "outputs": [wanting], "workers": 1, "static_skip": False}
        server = await stack.enter_async_context(
            inside(load=loading(reading), max_streams=128, webrtc_peers=16, **given)
        )
        begin.set()
        await asyncio.gather(*(PUSHED[way](server, pace, name) for name, (way, pace) in pushed.items()))
        counts = {name: pace.count for name, (way, pace) in (pulled | pushed).items() if way != "posted"}
        stats = await server.figures(lambda s: all(settled(s["streams"].get(n), count) for n, count in counts.items()))
        over.set()
    for name, count in counts.items():
        ledger, numbers = stats["streams"][name], reading.numbers[name]
        told = f"{name}: {numbers} of {count}, {ledger}"
        assert balanced(ledger), told
        assert (ledger["received"], ledger["failed"]) == (count, 0), told
        assert numbers == sorted(set(numbers)), told
        assert len(numbers) == ledger["delivered"], told
        assert set(ledger["dropped"]) <= COUNTED, told
    assert balanced(stats["posted"])
    assert stats["posted"]["delivered"] == sum(RATES.values())
