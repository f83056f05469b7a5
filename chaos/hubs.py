"""Hubs of a cluster are killed, stop for a while and come back, while sources are pulled and two cameras send: every
stream goes on at another hub, and goes home again.

A hub that stops (SIGSTOP) looks like a machine whose network is cut: nothing answers, and nothing is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.common import Finding
from sightline import AsyncClient
from sightline.client.answers import Answer
from sightline.client.links import SILENT_S
from support.hubs import Cluster, clustered
from support.serving import Json, balanced, endless

HUBS, PULLED, SENT = 3, 6, 2
GOAL_S = 10.0
"""Seconds in which every stream of a hub that is gone is live elsewhere. Where a hub is only silent, clients that
send to it need longer to know."""
HOME_S = 10.0
"""Seconds in which a hub that is back has its streams again."""
NEVER_S = 90.0
TWICE_S = 5.0
"""Seconds for which a source may be pulled by two hubs, after one of them had stopped."""
KILL, STOP = "kill -9", "SIGSTOP"
TAKEN, LED = "sources", "all streams"
ROUNDS, FEW = 20, 2
SEED = 1


@dataclass
class Told:
    """What was seen in all rounds."""

    away: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """Seconds until streams were live elsewhere, by what was done to the hub and by what streams."""
    home: list[float] = field(default_factory=list)
    doubled: list[float] = field(default_factory=list)
    """Longest time for which a source was live at two hubs, after each stop."""
    unnoticed: int = 0
    """Hubs that stopped and did not know it."""
    twice: int = 0
    """Looks at which a list had a stream twice."""
    unbalanced: int = 0
    silent: list[str] = field(default_factory=list)
    """Cameras that never came back."""


async def hubs(short: bool) -> Sequence[Finding]:
    """Rounds in which one hub of three goes and comes back."""
    chosen, told = random.Random(SEED), Told()
    sources = [f"--source=pulled-{n}=synthetic:shapes?size=160x120&fps=5" for n in range(PULLED)]
    with tempfile.TemporaryDirectory(prefix="sightline-hubs-") as folder:
        async with clustered(Path(folder), HUBS, *sources) as cluster:
            names = [*(f"pulled-{n}" for n in range(PULLED)), *(f"sent-{n}" for n in range(SENT))]
            answered: dict[str, float] = {}
            urls = ",".join(hub.ws for hub in cluster.hubs.values())
            cameras = [asyncio.create_task(_send(urls, name, answered)) for name in names[PULLED:]]
            await _live(cluster, names)
            for number in range(FEW if short else ROUNDS):
                await _round(cluster, names, chosen.choice(cluster.addresses), (STOP, KILL)[number % 2], told)
                told.silent += [name for name, at in answered.items() if time.monotonic() - at > NEVER_S / 3]
            for camera in cameras:
                camera.cancel()
            await asyncio.gather(*cameras, return_exceptions=True)
    return _findings(told, FEW if short else ROUNDS)


async def _round(cluster: Cluster, names: list[str], dies: str, how: str, told: Told) -> None:
    stopped = cluster.hubs[dies]
    began = time.monotonic()
    if how == KILL:
        await cluster.kill(dies)
    else:
        stopped.process.send_signal(signal.SIGSTOP)
        del cluster.hubs[dies]
    for what, some in ((TAKEN, names[:PULLED]), (LED, names)):
        await _live(cluster, some, without=dies)
        told.away.setdefault((how, what), []).append(time.monotonic() - began)
    for hub in cluster.hubs.values():
        said = await hub.get("/api/streams")
        told.twice += len(said["streams"]) != len({one["name"] for one in said["streams"]})
    if how == KILL:
        await cluster.start(dies)
    else:
        stopped.process.send_signal(signal.SIGCONT)
        cluster.hubs[dies] = stopped
    began, home = time.monotonic(), asyncio.Event()
    watching = asyncio.create_task(_doubled(cluster, home))
    await _live(cluster, names, home=True)
    told.home.append(time.monotonic() - began)
    await asyncio.sleep(1)
    home.set()
    doubled = await watching
    if how == STOP:
        told.doubled.append(doubled)
        told.unnoticed += "this hub stood still" not in "".join(stopped.log)
    for hub in cluster.hubs.values():
        told.unbalanced += sum(not balanced(one) for one in (await hub.get("/stats"))["streams"].values())


async def _live(cluster: Cluster, names: list[str], *, without: str = "", home: bool = False) -> None:
    """Wait until each hub says that all streams are live, each where it belongs now."""

    def whole(said: Json) -> bool:
        at = {one["name"]: one["hub"] for one in said["streams"] if one["state"] == "live"}
        return all(at.get(n) and at[n] != without and (not home or at[n] == cluster.owner(n)) for n in names)

    for hub in cluster.hubs.values():
        await hub.until(whole, path="/api/streams", seconds=NEVER_S)


async def _doubled(cluster: Cluster, until: asyncio.Event) -> float:
    """The longest time for which a source was live at two hubs, as each of them says itself."""
    longest, since = 0.0, dict[str, float]()
    while not until.is_set():
        now, times = time.monotonic(), Counter[str]()
        for hub in cluster.hubs.values():
            streams = (await hub.get("/stats"))["streams"]
            times += Counter(name for name, one in streams.items() if one["pulled"] and one["state"] == "live")
        since = {name: since.get(name, now) for name, count in times.items() if count > 1}
        longest = max([longest, *(time.monotonic() - at for at in since.values())])
        await asyncio.sleep(0.05)
    return longest


async def _send(urls: str, name: str, answered: dict[str, float]) -> None:
    async with AsyncClient(urls) as client:
        answers: AsyncGenerator[Answer] = client.publish(name, endless())
        with contextlib.suppress(asyncio.CancelledError):
            async for answer in answers:
                if type(answer).__name__ == "Result":
                    answered[name] = time.monotonic()
        await answers.aclose()


def _findings(told: Told, rounds: int) -> list[Finding]:
    found = []
    for (how, what), seconds in told.away.items():
        figure = f"median {statistics.median(seconds):.1f} s, most {max(seconds):.1f} s in {len(seconds)} rounds"
        tried = f"{how} of one of {HUBS} hubs, {PULLED} sources pulled and {SENT} cameras sending"
        within_s = SILENT_S if (how, what) == (STOP, LED) else GOAL_S
        goal = f"{what} live elsewhere within {within_s:g} s"
        found.append(Finding(tried, goal, figure, max(seconds) <= within_s))
    figure = f"median {statistics.median(told.home):.1f} s, most {max(told.home):.1f} s in {rounds} rounds"
    found.append(
        Finding("the hub comes back", f"its streams are home within {HOME_S:g} s", figure, max(told.home) <= HOME_S)
    )
    figure = (
        f"{max(told.doubled):.1f} s at most in {len(told.doubled)} stops, {told.unnoticed} hubs did not notice theirs"
    )
    tried = "a hub that stopped goes on while others have its sources"
    goal = f"a source at two hubs for {TWICE_S:g} s at most, and the hub says so"
    found.append(Finding(tried, goal, figure, max(told.doubled) <= TWICE_S and not told.unnoticed))
    wrong = (
        f"{told.twice} lists with a stream twice, {told.unbalanced} ledgers not exact, {len(told.silent)} cameras lost"
    )
    whole = not (told.twice or told.unbalanced or told.silent)
    found.append(Finding("meanwhile", "each stream once in a list, ledgers exact, no camera lost", wrong, whole, whole))
    return found
