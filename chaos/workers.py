"""Processes that run models are killed, crash, or stop: frames are lost with them, streams and peers are not.

What a model does to its own process from within (it hangs, takes all memory, prints) is in
``tests/inference/test_process_place.py``.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence

import psutil

from chaos.common import Finding, Watched, watched
from support.serving import Peer, balanced, peer, picture

SIGNALS = {"kill -9": signal.SIGKILL, "SIGSEGV": signal.SIGSEGV, "SIGABRT": signal.SIGABRT, "SIGSTOP": signal.SIGSTOP}
BACK_S = {"kill -9": 2.0, "SIGSEGV": 2.0, "SIGABRT": 2.0, "SIGSTOP": 4.0}
"""Seconds in which results come again. A process that stopped has to be missed first."""
TIMES = 5
NEVER_S = 60.0
SETTLE_S = 2.0
KNOWN = 20


def model_processes(house: Watched) -> list[psutil.Process]:
    """The server's children that run models."""
    found = []
    for child in house.process.children(recursive=True):
        try:
            if any("sightline.inference.places" in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


async def until_result(camera: Peer, seq: int, answers: Counter[str]) -> tuple[float, int]:
    """Send frames until one has a result; seconds that took, and the next number. Counts all answers."""
    began = time.monotonic()
    while time.monotonic() - began < NEVER_S:
        await camera.send_frame(seq, picture(seq))
        answer, _ = await camera.next("result", "dropped")
        seq += 1
        answers[answer.get("reason", "result")] += 1
        if answer["type"] == "result":
            return time.monotonic() - began, seq
    return float("inf"), seq


async def struck(house: Watched, what: str, times: int) -> Finding:
    """Send a signal to every process that runs a model, again and again, while a camera sends and a viewer looks."""
    answers: Counter[str] = Counter()
    took: list[float] = []
    server = house.server
    name = what.replace(" ", "")
    async with peer(f"{server.ws}/ws/camera/{name}") as camera, peer(f"{server.ws}/ws/view/{name}") as viewer:
        seq = 0
        while answers["result"] < KNOWN:  # after which it is known how long a batch takes, and when one is late
            _, seq = await until_result(camera, seq, answers)
        for _ in range(times):
            struck_now = model_processes(house)
            assert struck_now, "no process of a model was found"
            for process in struck_now:
                process.send_signal(SIGNALS[what])
            seconds, seq = await until_result(camera, seq, answers)
            took.append(seconds)
            await asyncio.sleep(SETTLE_S)  # a model that dies again at once is waited for, longer each time
        await asyncio.wait_for(viewer.next("frame_metadata"), 30)
        stats = await server.until(lambda s: s["streams"][name]["in_flight"] == 0)
        exact = all(map(balanced, stats["streams"].values())) and stats["streams"][name]["received"] == seq
        alive = await house.alive()
    lost = seq - answers["result"]
    return Finding(
        f"{what} to the model's process, {times} times",
        f"results again < {BACK_S[what]:g} s, every frame answered, nobody loses the session",
        f"back after {max(took):.2f} s at most; {lost} of {seq} frames without a result ("
        f"{', '.join(f'{n} {why}' for why, n in answers.items() if why != 'result') or 'none'}); "
        f"{'exact' if exact else 'NOT exact'}",
        exact and alive and max(took) < BACK_S[what],
        exact and alive and max(took) < NEVER_S,
    )


async def workers(short: bool) -> Sequence[Finding]:
    """Every signal."""
    async with watched("--model", "motion", "--place", "process", "--no-static-skip") as house:
        which = [what for what in SIGNALS if what != "SIGSTOP" or not short]
        return [await struck(house, what, 1 if short else TIMES) for what in which]
