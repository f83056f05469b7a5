"""Clocks that jump: those of publishers, and the server's own."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chaos.common import Finding
from support.inside import inside
from support.serving import metadata, peer, picture
from support.waiting import within

JUMPS = (0.0, 1.0, -1.0, 3600.0, -86400.0, 86400.0 * 365, -1e9)
"""Seconds by which a clock is suddenly wrong."""
FRAMES, SHORT = 400, 40
SEED = 5


@contextmanager
def wrong_clock() -> Iterator[list[float]]:
    """``time.time`` of this process, wrong by the one number in the list."""
    true, wrong = time.time, [0.0]
    time.time = lambda: true() + wrong[0]
    try:
        yield wrong
    finally:
        time.time = true


async def clocks(short: bool) -> Sequence[Finding]:
    """A camera whose time stamps jump, to a server whose clock jumps as well: every frame has its answer."""
    rng, count = random.Random(SEED), SHORT if short else FRAMES
    answers: list[str] = []
    longest = 0.0
    # The server is in this process, so that its clock can be moved; the monotonic one is nobody's to move.
    with wrong_clock() as wrong:
        async with inside(max_fps=240) as server, peer(f"{server.ws}/ws/camera/clocks") as camera:
            async with peer(f"{server.ws}/ws/view/clocks") as viewer:
                for seq in range(count):
                    wrong[0] = rng.choice(JUMPS)
                    now = max(0.0, (time.monotonic() + rng.choice(JUMPS)) * 1000)
                    offset = f',"clockOffset":{rng.choice(JUMPS) * 1000}}}'
                    began = time.perf_counter()
                    await camera.ws.send(metadata(seq, timestamp=now)[:-1] + offset)
                    await camera.ws.send(picture(seq))
                    answer, _ = await camera.next("result", "dropped")
                    longest = max(longest, time.perf_counter() - began)
                    answers.append(answer["type"])
                await within(viewer.next("frame_metadata"), 30)
            stream = server.hub.streams["clocks"]
            exact = stream.meters.ledger.received == stream.meters.ledger.settled + stream.in_flight == count
            failing = server.server.failure
    results = answers.count("result")
    return [
        Finding(
            f"{count} frames with clocks that jump by up to 30 years, the camera's and the server's",
            "every frame a result, ledger exact",
            f"{results} results, {'exact' if exact else 'NOT exact'}, longest wait {longest * 1000:.0f} ms",
            exact and results == count and failing is None,
            exact and len(answers) == count and failing is None,
        )
    ]
