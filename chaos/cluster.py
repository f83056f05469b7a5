"""One of two replicas in a Ray cluster is killed, its machine stands still, is cut off or dies, while four streams send
30 frames a second: results go on with the other one, and every frame is accounted for. Ray's nodes here stand for
machines; the one that is struck has a network of its own where that is permitted (root, or ``unshare -rn`` before).
"""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.common import Finding, Watched, watched
from chaos.workers import KNOWN, NEVER_S, Feeder, feeding
from support.outside import install
from support.own_network import HERE, THERE, own_network, permitted
from support.ray_cluster import LOCAL, RayCluster, add_node, ray_cluster
from support.serving import balanced
from support.sleeping import SLEEPING

GAP_S = 1.2
"""Longest time without a result of any stream: the deadline and a frame."""
AWAY_S = 4.0
"""Time for which a machine stands still or is cut off."""
KILLED, STILL, CUT, DIES = "killed", "its machine stands still", "the network to its machine is cut", "its machine dies"


@dataclass(frozen=True)
class Strike:
    """What happens to a machine, and how it ends; without an end it does not come back by itself."""

    what: str
    begin: Callable[[], None]
    end: Callable[[], None] | None = None


def out(stats: dict[str, Any]) -> int:
    """How many replicas get no frames."""
    return sum(bool(one["out"]) for one in stats["cluster"]["replicas"])


async def longest_gap(feeders: Sequence[Feeder], until: asyncio.Event) -> float:
    """The longest time for which one of the streams had no result."""
    longest, last = 0.0, {one.name: (one.answers["result"], time.monotonic()) for one in feeders}
    while not until.is_set():
        now = time.monotonic()
        for one in feeders:
            count, since = last[one.name]
            if one.answers["result"] != count:
                last[one.name] = one.answers["result"], now
            longest = max(longest, now - since)
        await asyncio.sleep(0.005)
    return longest


@asynccontextmanager
async def house(cluster: RayCluster, env: dict[str, str]) -> AsyncGenerator[Watched]:
    """A server with two replicas, one on each machine."""
    table = {"address": "auto", "token_file": str(cluster.token), "replicas_min": 2, "replicas_max": 2, "cpus": 2}
    given = env | cluster.env | {"SIGHTLINE_CLUSTER": json.dumps(table)}
    async with watched("--place", "ray", "--model", "sleeping", "--no-static-skip", env=given) as found:
        yield found


async def struck(cluster: RayCluster, env: dict[str, str], strike: Strike) -> Finding:
    """One strike against one of two replicas. It comes back, unless its machine has died: there is no third one."""
    back = strike.what != DIES
    async with house(cluster, env) as found:
        async with feeding(found) as feeders:
            while any(feeder.answers["result"] < KNOWN for feeder in feeders):  # noqa: ASYNC110 - peers tell nobody
                await asyncio.sleep(0.01)
            over, began = asyncio.Event(), time.monotonic()
            gap = asyncio.create_task(longest_gap(feeders, over))
            strike.begin()
            await found.server.until(lambda s: out(s) > 0, seconds=NEVER_S)
            if strike.end is not None:
                await asyncio.sleep(AWAY_S)
                strike.end()
            took = float("nan")
            if back:
                await found.server.until(lambda s: out(s) == 0, seconds=NEVER_S)
                took = time.monotonic() - began
            while any(feeder.newest < began for feeder in feeders):  # noqa: ASYNC110 - peers tell nobody
                await asyncio.sleep(0.01)
            over.set()
            longest = await gap
        stats = await found.server.until(lambda s: not any(one["in_flight"] for one in s["streams"].values()))
        streams = [stats["streams"][feeder.name] for feeder in feeders]
        counts = zip(streams, feeders, strict=True)
        exact = all(balanced(one) and one["received"] == feeder.count for one, feeder in counts)
        late = sum(one["late"] for one in stats["cluster"]["replicas"])
    failed = sum(one["failed"] for one in streams)
    return Finding(
        f"one of two replicas: {strike.what}, under 4 streams of 30 fps",
        f"no stream without results for {GAP_S:g} s, ledger exact",
        f"longest gap {longest:.2f} s, {failed} frames failed, {late} late answers, "
        f"{'back after ' + format(took, '.1f') + ' s' if back else 'not back, as there is no third machine'}; "
        f"{'exact' if exact else 'NOT exact'}",
        exact and longest <= GAP_S,
        exact,
    )


async def cluster(short: bool) -> Sequence[Finding]:
    """A replica, a machine that stands still, one that is cut off, and one that dies, in this order."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        env = install(Path(folder), {"sleeping": SLEEPING}, {"models": {"sleeping": "sleeping"}})
        network = stack.enter_context(own_network()) if permitted() else None
        here, there = (HERE, THERE) if network is not None else (LOCAL, LOCAL)
        made = stack.enter_context(ray_cluster(2, env=env, ip=here))
        seen = env | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(made.token)}
        node = stack.enter_context(add_node(made, 1, 2, seen, ip=there, network=network))
        strikes = [
            Strike(KILLED, lambda: node.replicas[0].kill()),
            Strike(STILL, lambda: node.signal(signal.SIGSTOP), lambda: node.signal(signal.SIGCONT)),
            Strike(DIES, lambda: node.signal(signal.SIGKILL)),
        ]
        if network is not None:
            strikes.insert(2, Strike(CUT, network.cut, network.mend))
        return [await struck(made, env, strike) for strike in strikes]
