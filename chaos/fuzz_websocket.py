"""A fuzzer of ``/ws/camera``, ``/ws/view`` and ``/ws``: texts, pictures, maps and frames that break the protocol."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence

from chaos.common import Finding, Watched, watched
from chaos.corpus import GOLDEN, PICTURES, TEXTS, tcp_messages
from chaos.fuzzing import CLOSES, CODES, COUNT, SHORT, Session, Tally, Undocumented, fuzz, some
from chaos.mutation import altered, mutated
from support.raw_websocket import BINARY, CLOSE, CONT, TEXT, RawWebSocket, frame, raw_websocket
from support.serving import metadata, picture

GOOD = [picture(seed) for seed in range(4)]
WORDS = [json.loads(text) for text in json.loads((GOLDEN / "wire.json").read_text()).values() if isinstance(text, str)]
WORDS += [json.loads(metadata(seq)) for seq in range(4)]
WORDS += [{"type": "settings", "confidence": 0.5}, {"type": "look", "mode": "boxes"}, {"type": "ping", "timestamp": 1}]
WORDS += [{"type": "ack", "frameNumber": 3}, {"type": "performance_stats", "fps": 3, "latency": 4, "queueSize": 0}]
HARD = [*PICTURES.values(), *tcp_messages().values()]
SMALL = [data for data in HARD if len(data) < 100_000]
PATHS = (
    *("/ws/camera/{}?session=fuzz", "/ws/camera/{}?session=fuzz&results=0", "/ws/view/{}", "/ws/view/{}?render=server"),
    *("/ws", "/ws?events=1", "/ws?stream={}", "/ws/view/{}?still=1&mode=blend&opacity=50"),
)


BREAKS = 0.1
"""Share of messages that may break the frames themselves."""
ANSWER_S, REST_S = 20.0, 0.5
"""Seconds without an answer after which there is none, or the server is taken to wait for the rest of a frame."""
FIRST = 10**15
"""Number of the first ping of ours. Messages may be pings, too, with times of their own."""


def message(rng: random.Random) -> bytes:
    """The frames of one message, or of a camera's pair."""
    what = rng.random()
    if what < 0.25:  # a good pair
        return frame(TEXT, metadata(rng.randrange(1000)).encode()) + frame(BINARY, rng.choice(GOOD))
    if what < 0.40:  # a good announcement, and then
        data = rng.choice(SMALL) if rng.random() < 0.5 else mutated(rng, rng.choice(GOOD), SMALL)
        return frame(TEXT, metadata(rng.randrange(1000)).encode()) + frame(BINARY, data)
    if what < 0.65:
        text = json.dumps(altered(rng, rng.choice(WORDS)), ensure_ascii=rng.random() < 0.5)
        return frame(TEXT, text.encode(errors="replace"))
    if what < 0.75:
        return frame(TEXT, mutated(rng, json.dumps(rng.choice(WORDS)).encode()))
    if what < 0.85:
        return frame(TEXT, rng.choice(list(TEXTS.values())).encode(errors="replace"))
    return frame(BINARY, rng.choice(SMALL))


def broken(rng: random.Random) -> bytes:
    """Frames that may break the rules of RFC 6455."""
    text = json.dumps(rng.choice(WORDS)).encode()
    cut = rng.randint(0, len(text))
    return rng.choice(
        (
            frame(TEXT, text[:cut], last=False) + frame(CONT, text[cut:]),
            frame(TEXT, text[:cut], last=False) + frame(TEXT, text[cut:]),
            frame(CONT, text),
            frame(rng.randrange(16), text[:125], last=rng.random() < 0.8, reserved=rng.choice((0, 0, 1, 2, 4))),
            frame(rng.choice((8, 9, 10)), rng.randbytes(rng.randint(0, 130))),
            frame(TEXT, text, mask=rng.choice((None, rng.randbytes(4)))),
            mutated(rng, frame(TEXT, text)),
        )
    )


def ping(number: int) -> bytes:
    """A text that a camera and a viewer are answered."""
    return frame(TEXT, b'{"type":"ping","timestamp":%d}' % (FIRST + number))


def number_of(pong: bytes, sent: int) -> int:
    """Which of our pings is answered; 0: none of them."""
    number = json.loads(pong)["timestamp"] - FIRST
    return int(number) if 1 <= number <= sent else 0


async def ended(socket: RawWebSocket, tally: Tally, sent: int, *, answered: bool) -> str:
    """Read what the server says, up to the answer to the last ping or the end. ``answered``: pings are."""
    code, error, pongs = None, "", 0
    while (said := await socket.receive()) is not None:
        if said.opcode == TEXT and said.payload.startswith(b'{"type":"pong"'):
            pongs = max(pongs, number_of(said.payload, sent))
            if pongs == sent:
                tally.taken += sent
                return "answered"
        elif said.opcode == TEXT and said.payload.startswith(b'{"type":"error"'):
            told = json.loads(said.payload)
            error = error if "of" in told else told["code"]
        elif said.opcode == 10 and said.payload == b"end" and not answered:
            tally.taken += sent
            return "heard"
        elif said.opcode == CLOSE and (said.code is None or said.code >= 3000):
            tally.taken += pongs + 1
            return "closed as asked"
        elif said.opcode == CLOSE:
            code = said.code
            break
    tally.taken += pongs + 1
    if (error and error not in CODES) or code not in CLOSES:
        raise Undocumented(f"closed with {code} {error!r}")
    return f"{code} {error}".strip()


def session_with(house: Watched) -> Session:
    """Sessions with one server."""
    streams = [f"fuzz-{number}" for number in range(6)]

    async def session(rng: random.Random, tally: Tally, sent: list[bytes]) -> str:
        path = rng.choice(PATHS).format(rng.choice(streams))
        answered = not path.startswith("/ws?") and path != "/ws"
        sent.append(path.encode())
        async with raw_websocket(house.place, path) as socket:
            count, whole = some(rng, 24), True
            for number in range(1, count + 1):
                breaks = rng.random() < BREAKS
                whole = whole and not breaks
                data = broken(rng) if breaks else message(rng)
                sent.append(data)
                await socket.send(data + (ping(number) if answered else b""))
            if not answered:
                await socket.send(frame(9, b"end"))
            try:
                async with asyncio.timeout(ANSWER_S if whole else REST_S):
                    return await ended(socket, tally, count, answered=answered)
            except TimeoutError:
                if whole:
                    raise Undocumented("no answer") from None
                tally.taken += 1
                return "frame without end"

    return session


async def websocket(short: bool) -> Sequence[Finding]:
    """Fuzz all sockets."""
    async with watched("--model", "motion") as house:
        _, finding = await fuzz(house, "websocket", session_with(house), SHORT if short else COUNT)
        return [finding]
