"""What the fuzzers share: sessions run side by side until enough messages were taken, a good client beside them."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

from chaos.common import MB, RESULTS, Finding, Watched, percentile, step_back, witness

COUNT, SHORT = 200_000, 1_000
"""Messages of one transport."""
SEED = 20_26
SIDE_BY_SIDE = 4
ALONE_S, ALONE_SHORT_S = 5.0, 0.2
"""Seconds for which the good client is measured before."""
WARM = 0.1
"""Share of the messages after which memory is first measured: caches and pools are full then."""

CODES = {
    *("bad_message", "bad_image", "too_large", "bad_request", "stream_busy", "limit_reached", "idle_timeout"),
    *("shutting_down", "model_failed", "unauthorized", "forbidden"),
}
"""The words of docs/protocol.md with which a session may end."""
CLOSES = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1013}
"""The codes of RFC 6455 with which a socket may be closed."""


class Undocumented(Exception):
    """An end that docs/protocol.md does not know."""


@dataclass
class Tally:
    """What became of the messages."""

    taken: int = 0
    """Messages that the server has read."""
    ends: Counter[str] = field(default_factory=Counter)
    """Sessions by their end."""
    found: dict[str, bytes] = field(default_factory=dict)
    """What was sent before an end that is not documented, by what happened."""


Session: TypeAlias = Callable[[random.Random, Tally, list[bytes]], Awaitable[str]]
"""Sends some messages, counts those that were taken, and says how it ended. What it sends it also appends to the list.
Raises Undocumented, or TimeoutError where nothing came."""


async def fuzz(
    house: Watched, what: str, session: Session, count: int, *, token: str | None = None
) -> tuple[Tally, Finding]:
    """Run sessions until so many messages were taken. ``token``: of the good client."""
    tally = Tally()

    async def sessions(rng: random.Random, most: int) -> None:
        while tally.taken < most:
            sent: list[bytes] = []
            try:
                tally.ends[await session(rng, tally, sent)] += 1
            except (Undocumented, TimeoutError, OSError, EOFError) as e:
                tally.found.setdefault(f"{type(e).__name__}: {e}"[:200], b"\n".join(sent))
                tally.ends["undocumented"] += 1
                if len(tally.found) >= 20:
                    return

    async def side_by_side(most: int, seed: int) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(SIDE_BY_SIDE):
                group.create_task(sessions(random.Random(seed + number), most))

    async with witness(house.server, token=token) as good:
        if count > SHORT:
            step_back()
        alone = await good.p99(ALONE_S if count > SHORT else ALONE_SHORT_S)
        await side_by_side(int(count * WARM), SEED)
        warm, before = tally.taken, house.mark()
        await good.latencies()
        await side_by_side(count, SEED + SIDE_BY_SIDE)
        during = percentile(await good.latencies(), 99)
    return tally, await judged(house, what, tally, before.rss, (alone, during), warm)


async def judged(house: Watched, what: str, tally: Tally, rss: int, p99: tuple[float, float], warm: int) -> Finding:
    """What came of it."""
    after, alive = house.mark(), await house.alive()
    grown = (after.rss - rss) / MB
    held = alive and not tally.found
    good = p99[1] < 2 * p99[0]
    if first := house.server.log.first:
        raised = next(
            (line.strip() for line in first.splitlines() if re.match(r" *[\w.]+(Error|Exception)\b", line)), ""
        )
        tally.found[f"traceback: {raised}"[:200]] = first.encode()
    with suppress(FileNotFoundError):
        keep(what, tally.found)
    ends = ", ".join(f"{end} {n}" for end, n in tally.ends.most_common(6))
    return Finding(
        f"fuzz {what}: {tally.taken} messages in {tally.ends.total()} sessions",
        "0 crashes and tracebacks, documented ends, p99 < 2x, + < 5 MB, log < 1 MB",
        f"{'alive' if alive else 'NOT alive'}, {after.tracebacks} tracebacks, {len(tally.found)} undocumented ends; "
        f"good client's p99 {p99[0]:.1f} to {p99[1]:.1f} ms; {grown:+.1f} MB after the first {warm}; "
        f"log {after.logged / 1000:.0f} kB; {ends}" + "".join(f"; FOUND {name}" for name in tally.found),
        held and good and grown < 5 and after.logged < MB,
        held,
    )


def keep(what: str, found: dict[str, bytes]) -> None:
    """Write what broke something into bench/results, to be looked at and named in the corpus."""
    for name, sent in found.items():
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        (RESULTS / f"found-{what.split()[0]}-{digest}.bin").write_bytes(name.encode() + b"\n" + sent)


def some(rng: random.Random, most: int) -> int:
    """How many messages a session has; few, mostly."""
    return min(most, 1 + int(rng.expovariate(1 / 4)))


def pick(rng: random.Random, among: Sequence[bytes]) -> bytes:
    """One of them."""
    return rng.choice(among)
