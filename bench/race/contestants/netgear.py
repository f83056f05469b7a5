"""vidgear's NetGear: pictures one way, an answer the other, in its bidirectional mode. JPEG where it is decoded."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from vidgear.gears import NetGear

from race.contestants._two_ends import counted, exchanged

ANSWER = "x" * 300


def _options(job: dict[str, Any]) -> dict[str, Any]:
    jpeg = {"jpeg_compression": True, "jpeg_compression_quality": 80, "jpeg_compression_fastdct": True}
    return {"bidirectional_mode": True, **(jpeg if job["decode"] else {"jpeg_compression": False})}


def receiver(pipe: Any, job: dict[str, Any]) -> None:
    """Take pictures and answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    gear = NetGear(address="127.0.0.1", port=port, pattern=1, receive_mode=True, **_options(job))
    pipe.send(port)
    while gear.recv(return_data=ANSWER) is not None:
        pass


def sender(pipe: Any, job: dict[str, Any], port: str) -> None:
    """Send pictures as fast as they are answered."""
    if job["decode"]:
        image = cv2.imdecode(np.frombuffer(job["picture"], np.uint8), cv2.IMREAD_COLOR)
    else:
        image = np.zeros((100, len(job["picture"]) // 300, 3), np.uint8)  # as many bytes, uncompressed
    gear = NetGear(address="127.0.0.1", port=port, pattern=1, **_options(job))

    def frames() -> Iterator[object]:
        while True:
            yield gear.send(image, message=None)

    pipe.send(counted(frames(), job["seconds"]))


def carry(job: dict[str, Any]) -> dict[str, Any]:
    """Carry frames."""
    return exchanged(job, receiver, sender)


JOBS = {"carry": carry}
