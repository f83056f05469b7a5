"""Peers of WebRTC, and video that shows the number of each picture."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription

WIDTH, HEIGHT, FPS = 640, 480, 30
BITS, SIDE = 20, 24


class Numbered(MediaStreamTrack):
    """Video that shows the number of each picture over a moving background."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        self.sent: dict[int, float] = {}
        self._began = time.monotonic()
        self._ground = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
        self._ground = np.repeat(np.repeat(self._ground, 8, 0), 8, 1)

    async def picture(self) -> tuple[int, np.ndarray]:
        """Wait for the next picture's time; return its number and the picture."""
        number = len(self.sent)
        await asyncio.sleep(max(0.0, self._began + number / FPS - time.monotonic()))
        image = self._ground // 2
        image[200:360, number * 7 % 500 : number * 7 % 500 + 120] = (40, 200, 240)
        for bit in range(BITS):
            image[:SIDE, bit * SIDE : (bit + 1) * SIDE] = 255 * (number >> bit & 1)
        self.sent[number] = time.monotonic()
        return number, image

    async def recv(self) -> av.VideoFrame:
        """The next picture, for aiortc."""
        number, image = await self.picture()
        frame = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = number * 90000 // FPS, Fraction(1, 90000)
        return frame


def number_of(grey: np.ndarray) -> int:
    """The number that a picture shows."""
    middles = grey[SIDE // 2, SIDE // 2 : BITS * SIDE : SIDE]
    return sum(1 << bit for bit, value in enumerate(middles) if value > 128)


def new_peer() -> RTCPeerConnection:
    """A peer that asks no STUN server."""
    return RTCPeerConnection(RTCConfiguration(iceServers=[]))


def codecs(name: str) -> list[Any]:
    """Capabilities of this codec alone."""
    return [c for c in RTCRtpSender.getCapabilities("video").codecs if c.name in (name, "rtx")]


@asynccontextmanager
async def joined(url: str, peer: RTCPeerConnection) -> AsyncIterator[None]:
    """Context of a peer's session at the server."""
    await peer.setLocalDescription(await peer.createOffer())

    def ask(path: str, method: str, body: str = "") -> tuple[str, str]:
        headers = {"Content-Type": "application/sdp"}
        request = urllib.request.Request(path, body.encode(), headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read().decode(), answer.headers.get("Location", "")

    sdp, location = await asyncio.to_thread(ask, url, "POST", peer.localDescription.sdp)
    await peer.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
    try:
        yield
    finally:
        base = "/".join(url.split("/", 3)[:3])
        await asyncio.to_thread(ask, base + location, "DELETE")
        await peer.close()
