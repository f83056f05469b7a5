"""A server in one process and its clients in another, for the peers that carry frames."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from typing import Any

WARM_UP_S = 1.0


def counted(frames: Iterator[object], seconds: float) -> tuple[int, float]:
    """Number of frames of so many seconds after the warm-up, and the exact seconds."""
    begin = time.monotonic() + WARM_UP_S
    count = 0
    for _ in frames:
        now = time.monotonic()
        count += now >= begin
        if now > begin + seconds:
            return count, now - begin
    return count, time.monotonic() - begin


def exchanged(job: dict[str, Any], server: Callable[..., None], client: Callable[..., None]) -> dict[str, Any]:
    """Run ``server(pipe, job)``, which sends its address, and ``client(pipe, job, address)``, which sends the count."""
    job = job | {"picture": base64.b64decode(job["picture"])}
    spawn = get_context("spawn")
    ends: list[Any] = [spawn.Pipe(), spawn.Pipe()]
    serving = spawn.Process(target=server, args=(ends[0][1], job), daemon=False)
    serving.start()
    try:
        address = ends[0][0].recv()
        sending = spawn.Process(target=client, args=(ends[1][1], job, address), daemon=True)
        sending.start()
        if not ends[1][0].poll(job["seconds"] + 60):
            sending.kill()
            return {"error": "no answer in a minute"}
        count, took = ends[1][0].recv()
        sending.kill()
    finally:
        serving.terminate()
        serving.join(5)
        serving.kill()
    return {"frames_s": count / took}
