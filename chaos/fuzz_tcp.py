"""A fuzzer of the TCP port: msgpack maps that are wrong in part, in form, or in their length."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from chaos.common import Finding, Watched, watched
from chaos.corpus import PICTURES, tcp_messages
from chaos.fuzzing import CODES, COUNT, SHORT, Session, Tally, Undocumented, fuzz, some
from chaos.mutation import altered, mutated
from support.hostile import HOSTILE
from support.serving import picture
from support.tcp_peer import Map, frame, packed

BODIES = tcp_messages()
SMALL = [body for body in BODIES.values() if len(body) < 100_000]
LARGE = [body for body in BODIES.values() if len(body) >= 100_000]
WELL_MADE = [body for name, body in BODIES.items() if name not in HOSTILE]
STREAMS = [f"fuzz-{number}" for number in range(6)]
WORDS: list[Map] = [
    {"type": "subscribe", "stream": STREAMS[0], "pictures": True},
    {"type": "subscribe", "stream": "", "events": True},
    {"type": "unsubscribe", "stream": STREAMS[0]},
    {"type": "close", "stream": STREAMS[1]},
    {"type": "settings", "stream": STREAMS[1], "confidence": 0.5},
    {"type": "auth", "token": "slt_fuzz"},
    {"type": "ping", "timestamp": 1},
    *(frame(name, 7, picture(1), session="fuzz") for name in STREAMS),
]
QUIET_S = 0.5
"""Seconds of silence after which the server is taken to wait for the rest of a message."""


def message(rng: random.Random) -> bytes:
    """A whole message with its length."""
    what = rng.random()
    if what < 0.3:
        return packed(rng.choice(WORDS))
    if what < 0.65:
        return packed(altered(rng, rng.choice(WORDS)))
    if what < 0.75:
        data = rng.choice(list(PICTURES.values())) if rng.random() < 0.5 else mutated(rng, picture(1))
        return packed(frame(rng.choice(STREAMS), rng.randrange(100), data, session="fuzz"))
    if what < 0.998:
        body = mutated(rng, msgspec.msgpack.encode(rng.choice(WORDS)), SMALL) if what < 0.9 else rng.choice(SMALL)
        return len(body).to_bytes(4, "big") + body
    body = rng.choice(LARGE)
    return len(body).to_bytes(4, "big") + body


def broken(rng: random.Random) -> bytes:
    """A message whose length is not its own."""
    body = rng.choice(WELL_MADE)
    claims = rng.choice((0, 1, len(body) - 1, len(body) + 1, 1 << 22, 0x7FFFFFFF, 0xFFFFFFFF))
    return rng.choice((claims.to_bytes(4, "big") + body, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rng.randbytes(40)))


async def ended(reader: asyncio.StreamReader, tally: Tally, sent: int, *, whole: bool) -> str:
    """Read up to the answer to the last ping, or the end."""
    pongs = 0
    while True:
        try:
            async with asyncio.timeout(QUIET_S if not whole else 20):
                told = msgspec.msgpack.decode(
                    await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big")), type=dict
                )
        except TimeoutError:
            if whole:
                raise Undocumented("no answer") from None
            tally.taken += pongs + 1
            return "message without end"
        except (asyncio.IncompleteReadError, ConnectionError) as e:
            raise Undocumented(f"closed without a word: {type(e).__name__}") from None
        if told["type"] == "pong" and told["timestamp"] >= 1_000_000:
            pongs = int(told["timestamp"]) - 1_000_000
            if pongs == sent:
                tally.taken += sent
                return "answered"
        elif told["type"] == "error" and "stream" not in told:
            tally.taken += pongs + 1
            if told["code"] not in CODES:
                raise Undocumented(f"closed with {told['code']!r}")
            return str(told["code"])


def session_with(house: Watched) -> Session:
    """Sessions with one server."""
    place = urlsplit(house.server.tcp)

    async def session(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
        try:
            count, whole = some(rng, 24), True
            for number in range(1, count + 1):
                breaks = rng.random() < 0.03
                whole = whole and not breaks
                data = broken(rng) if breaks else message(rng)
                sent.append(data[:5000])
                writer.write(data + packed({"type": "ping", "timestamp": 1_000_000 + number}))
            return await ended(reader, tally, count, whole=whole)
        finally:
            writer.transport.abort()

    return session


async def tcp(short: bool) -> Sequence[Finding]:
    """Fuzz the TCP port."""
    async with watched("--model", "motion") as house:
        _, finding = await fuzz(house, "tcp", session_with(house), SHORT if short else COUNT)
        return [finding]
