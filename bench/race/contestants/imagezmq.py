"""imagezmq: a hub that answers every picture, and senders in threads, because they block."""

from __future__ import annotations

import threading
import time
from typing import Any

import cv2
import imagezmq
import numpy as np
import zmq

from race.contestants._two_ends import exchanged

SENDERS = 8
ANSWER = bytes(300)


def hub(pipe: Any, job: dict[str, Any]) -> None:
    """Take pictures, decode them if the job wants that, and answer."""
    server = imagezmq.ImageHub("tcp://127.0.0.1:*")
    pipe.send(server.zmq_socket.getsockopt_string(zmq.LAST_ENDPOINT))
    while True:
        _, jpeg = server.recv_jpg()
        if job["decode"]:
            cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        server.send_reply(ANSWER)


def senders(pipe: Any, job: dict[str, Any], address: str) -> None:
    """Send pictures as fast as they are answered."""
    counts = [0] * SENDERS

    def send(i: int) -> None:
        sender = imagezmq.ImageSender(address)
        while True:
            sender.send_jpg(f"camera-{i}", job["picture"])
            counts[i] += 1

    for i in range(SENDERS):
        threading.Thread(target=send, args=(i,), daemon=True).start()
    time.sleep(1)
    before, started = sum(counts), time.monotonic()
    time.sleep(job["seconds"])
    pipe.send((sum(counts) - before, time.monotonic() - started))


def carry(job: dict[str, Any]) -> dict[str, Any]:
    """Carry frames."""
    return exchanged(job, hub, senders)


JOBS = {"carry": carry}
