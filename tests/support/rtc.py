"""WebRTC peers as any client would be: aiortc with our server's WHIP and WHEP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from httpx2 import AsyncClient, Response
from numpy.typing import NDArray

from support.serving import Json, left
from support.waiting import within

SDP = {"Content-Type": "application/sdp"}


class Clip(MediaStreamTrack):
    """A grey picture with a bright square that jumps, at so many frames a second."""

    kind = "video"

    def __init__(self, *, width: int = 320, height: int = 180, fps: float = 30) -> None:
        super().__init__()
        self.sent = 0
        self._size, self._fps = (width, height), fps
        self._began = time.monotonic()

    def picture(self, number: int) -> NDArray[np.uint8]:
        """BGR."""
        width, height = self._size
        image = np.full((height, width, 3), 40, np.uint8)
        x = left(number)
        image[60:120, x : x + 50] = (40, 200, 240)
        return image

    async def recv(self) -> av.VideoFrame:
        await asyncio.sleep(max(0.0, self._began + self.sent / self._fps - time.monotonic()))
        frame = av.VideoFrame.from_ndarray(self.picture(self.sent), format="bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = int(self.sent * 90000 / self._fps), Fraction(1, 90000)
        self.sent += 1
        return frame


def found_left(image: NDArray[np.uint8]) -> float:
    """Where the bright square of a picture begins."""
    columns = np.flatnonzero(image[70:110, :, 2].mean(axis=0) > 140)
    return float(columns[0]) if len(columns) else -1.0


def boxed(message: Json, x: float) -> bool:
    """True if all boxes of this message lie on the square that begins at ``x``."""
    sides = [found["xyxy"] for found in message["detections"]]
    return bool(sides) and all(x - 4 <= x1 and x2 <= x + 54 for x1, _, x2, _ in sides)


async def on_the_pixels(watcher: Remote, least: int = 15) -> None:
    """Check that a viewer's boxes lie on the square in the picture that has their RTP time."""
    track = watcher.track
    assert track is not None
    lefts: dict[int, float] = {}
    both: list[tuple[float, Json]] = []
    while len(both) < least:
        frame: Any = await within(track.recv(), 30)
        lefts[frame.pts] = found_left(frame.to_ndarray(format="bgr24"))
        found = {m["rtp_timestamp"]: m for m in watcher.of("frame_metadata") if m["detections"]}
        if not found:
            continue
        # aiortc counts from the first picture that it got, whose words may have been lost: the count that fits most.
        shifts = [next(iter(found)) - at for at in lefts]
        fits = [
            [(x, found[(at + shift) & 0xFFFFFFFF]) for at, x in lefts.items() if (at + shift) & 0xFFFFFFFF in found]
            for shift in shifts
        ]
        both = max(fits, key=len)
    assert sum(boxed(message, x) for x, message in both) >= 0.9 * len(both)


class Served(Protocol):
    """A server that can be called."""

    @property
    def http(self) -> AsyncClient: ...


@dataclass
class Calling:
    """A server of which only that is known."""

    http: AsyncClient


class Remote:
    """A connection to the server, with what came over it."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.channel: RTCDataChannel | None = None
        self.track: MediaStreamTrack | None = None
        self.messages: list[Json] = []
        self.binaries: list[bytes] = []
        self.location = ""
        self.answer: Response | None = None
        self.change: Callable[[str], str] = str
        """What is done to the offer on its way."""
        self._news = asyncio.Event()
        self.connection.on("track", self._on_track)

    def talk(self) -> None:
        """Open the data channel."""
        self.channel = self.connection.createDataChannel("sightline")
        self.channel.on("message", self._on_message)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self.track = track

    def _on_message(self, data: str | bytes) -> None:
        if isinstance(data, str):
            self.messages.append(json.loads(data))
        else:
            self.binaries.append(data)
        self._news.set()

    def of(self, kind: str) -> list[Json]:
        """The messages of one type that came."""
        return [m for m in self.messages if m["type"] == kind]

    async def until(self, holds: Callable[[], Any], seconds: float = 30) -> None:
        """Wait until messages make it so."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"only these came: {self.messages[-5:]}") from None

    async def call(self, server: Served, path: str, **headers: str) -> Response:
        """Offer, and take the answer."""
        await self.connection.setLocalDescription(await self.connection.createOffer())
        offered = self.change(self.connection.localDescription.sdp)
        response = await server.http.post(path, content=offered, headers={**SDP, **headers})
        self.answer = response
        if response.status_code == 201:
            self.location = response.headers["location"]
            await self.connection.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        return response

    async def state(self, wanted: str, seconds: float = 30) -> None:
        """Wait for a state of the connection."""
        async with asyncio.timeout(seconds):
            while self.connection.connectionState != wanted:  # noqa: ASYNC110 - aiortc has no other news of it
                await asyncio.sleep(0.01)


@asynccontextmanager
async def remote() -> AsyncGenerator[Remote]:
    """A peer that is closed in the end."""
    peer = Remote()
    try:
        yield peer
    finally:
        await peer.connection.close()


@asynccontextmanager
async def camera(
    server: Served, name: str, query: str = "", *, talks: bool = True, clip: Clip | None = None, **made: int
) -> AsyncGenerator[Remote]:
    """A peer that publishes a clip: this one, or one that is made so."""
    async with remote() as peer:
        peer.connection.addTransceiver(clip or Clip(**made), "sendonly")
        if talks:
            peer.talk()
        response = await peer.call(server, f"/whip/{name}{query}")
        assert response.status_code == 201, response.text
        yield peer


@asynccontextmanager
async def viewer(server: Served, name: str, query: str = "", *, talks: bool = True) -> AsyncGenerator[Remote]:
    """A peer that watches."""
    async with remote() as peer:
        peer.connection.addTransceiver("video", "recvonly")
        if talks:
            peer.talk()
        response = await peer.call(server, f"/whep/{name}{query}")
        assert response.status_code == 201, response.text
        yield peer


async def offer(direction: str = "sendonly") -> str:
    """What a peer offers that then does nothing more. ``direction``: of its video, ``recvonly`` for a viewer's."""
    async with remote() as one:
        one.connection.addTransceiver(Clip() if direction == "sendonly" else "video", direction)
        await one.connection.setLocalDescription(await one.connection.createOffer())
        return str(one.connection.localDescription.sdp)
