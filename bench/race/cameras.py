"""Network cameras of 30 frames a second, and how many of them a contestant holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from common import CLIP, Pipe, asset
from race.contestants import _stamp

FPS = 30.0
SIZE = (640, 360)
COUNT = 600
"""Numbers before they begin anew: 20 s."""
HELD_SHARE, HELD_P95_MS = 0.95, 250.0
MARGIN_S = 0.3
"""Frames due at the very end are left out, for they may still be under way."""
MOST = 12
QUEUED = 128 * 1024
"""Bytes that may wait for a client; a camera skips frames beyond it."""


def stamped_jpegs(count: int = COUNT) -> list[bytes]:
    """Frames of the clip at 640x360 with their number written in, about 23 KB each."""
    reader = cv2.VideoCapture(str(asset(CLIP)))
    jpegs: list[bytes] = []
    while len(jpegs) < count:
        there, image = reader.read()
        if not there:
            reader.set(cv2.CAP_PROP_POS_FRAMES, 0)
            continue
        image = cv2.resize(image, SIZE)
        _stamp.stamp(image, len(jpegs))
        jpegs.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    return jpegs


def due(camera: int, number: int, started: float) -> float:
    """Time at which a frame is due. Cameras are not in step."""
    return started + (camera * 0.618 % 1 + number) / FPS


def run_cameras(pipe: Pipe, jpegs: Sequence[bytes]) -> None:
    """Serve ``/NUMBER`` as MJPEG over HTTP. Sends the port and the time at which all cameras started."""
    started = time.monotonic()

    async def camera(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        index = int(request.split(b" ")[1].strip(b"/"))
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        number = int((time.monotonic() - started) * FPS) + 1
        try:
            while not writer.is_closing():
                await asyncio.sleep(due(index, number, started) - time.monotonic())
                if writer.transport.get_write_buffer_size() < QUEUED:
                    jpeg = jpegs[number % len(jpegs)]
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    writer.write(head.encode() + jpeg + b"\r\n")
                number += 1
        finally:
            writer.transport.abort()

    async def run() -> None:
        server = await asyncio.start_server(camera, "127.0.0.1", 0)
        pipe.send((server.sockets[0].getsockname()[1], started))
        await server.serve_forever()

    asyncio.run(run())


@dataclass(frozen=True)
class Trial:
    """What a contestant answered in some seconds."""

    share: float
    """Answered frames of those that were due."""
    p95_ms: float

    @property
    def held(self) -> bool:
        """True if the cameras count as held."""
        return self.share >= HELD_SHARE and self.p95_ms < HELD_P95_MS


def judged(answer: Any, cameras: int, seconds: float, started: float) -> Trial:
    """Judge the rows (camera, number, time) of the last seconds before the end."""
    end = answer["ended"] - MARGIN_S
    answered: dict[tuple[int, int], float] = {}
    for camera, number, at in answer["seen"]:
        frame = _unwrapped(camera, number, at, started)
        when = due(camera, frame, started)
        if end - seconds <= when < end:
            answered.setdefault((camera, frame), (at - when) * 1000)
    share = len(answered) / (cameras * seconds * FPS)
    return Trial(min(1.0, share), float(np.percentile([*answered.values()], 95)) if answered else float("inf"))


def _unwrapped(camera: int, number: int, at: float, started: float) -> int:
    """The last frame with that number that was due at this time."""
    last = int((at - due(camera, 0, started)) * FPS + 1e-6)
    return last - (last - number) % COUNT


def most_held(tried: Callable[[int], Trial], first: int) -> int:
    """Most cameras that are held, looked for upwards, or downwards, from ``first``."""
    number = max(1, first)
    if tried(number).held:
        while number < MOST and tried(number + 1).held:
            number += 1
        return number
    while number > 1:
        number -= 1
        if tried(number).held:
            return number
    return 0
