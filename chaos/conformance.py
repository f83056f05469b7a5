"""The rules of RFC 6455 as one table: what a peer sends, and what the server must say to that.

The cases are those of Autobahn's test suite that concern a server without compression, in words and code of our own.
The numbers are its sections. Where it echoes, ``/ws/view`` answers a ``ping`` text with a ``pong``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.common import Finding, Watched, watched
from support.raw_websocket import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    RawWebSocket,
    Said,
    close_frame,
    frame,
    raw_websocket,
)

ASK = b'{"type":"ping","timestamp":7}'
"""A text that is answered."""
HALF = len(ASK) // 2
SMILE = '{"type":"ping","timestamp":7,"x":"\u00e4\u20ac\U0001f600"}'.encode()


@dataclass(frozen=True)
class Rule:
    """One case."""

    name: str
    sends: tuple[bytes, ...]
    """Written one after the other."""
    answers: int = 0
    """Texts that have to be answered."""
    pongs: tuple[bytes, ...] = ()
    """Payloads of the pongs that must come, in order."""
    code: int | None = None
    """Code with which the server must close; None where it must not."""


def broken(name: str, *sends: bytes, code: int = 1002) -> Rule:
    """A case that ends the connection."""
    return Rule(name, sends, code=code)


RULES: tuple[Rule, ...] = (
    # 1: payloads of every length; the longest here is our own limit on texts
    Rule("1.1 text", (frame(TEXT, ASK),), answers=1),
    Rule("1.1 text of 125 bytes", (frame(TEXT, ASK.ljust(125)),), answers=1),
    Rule("1.1 text of 126 bytes", (frame(TEXT, ASK.ljust(126)),), answers=1),
    Rule("1.1 text of 127 bytes", (frame(TEXT, ASK.ljust(127)),), answers=1),
    Rule("1.1 text of 3,000 bytes", (frame(TEXT, ASK.ljust(3000)),), answers=1),
    Rule("1.1 masked with another mask", (frame(TEXT, ASK, mask=b"\x37\xfa\x21\x3d"),), answers=1),
    Rule("1.1 byte by byte", tuple(bytes([b]) for b in frame(TEXT, ASK)), answers=1),
    # 2: pings and pongs
    Rule("2.1 ping without payload", (frame(PING),), pongs=(b"",)),
    Rule("2.2 ping with payload", (frame(PING, b"hello"),), pongs=(b"hello",)),
    Rule("2.3 ping with bytes that are no text", (frame(PING, b"\x00\xff\xfe\xfd"),), pongs=(b"\x00\xff\xfe\xfd",)),
    Rule("2.4 ping of 125 bytes", (frame(PING, b"\xfe" * 125),), pongs=(b"\xfe" * 125,)),
    broken("2.5 ping of 126 bytes", frame(PING, b"\xfe" * 126)),
    Rule("2.6 ping byte by byte", tuple(bytes([b]) for b in frame(PING, b"\xfe" * 125)), pongs=(b"\xfe" * 125,)),
    Rule("2.7 pong that nobody asked for", (frame(PONG), frame(PING, b"x")), pongs=(b"x",)),
    Rule("2.9 pong, then ping", (frame(PONG, b"y"), frame(PING, b"x")), pongs=(b"x",)),
    Rule("2.10 ten pings", tuple(frame(PING, b"%d" % n) for n in range(10)), pongs=tuple(b"%d" % n for n in range(10))),
    # 3: reserved bits
    *(broken(f"3.{bits} reserved bits {bits:03b}", frame(TEXT, ASK, reserved=bits)) for bits in range(1, 8)),
    broken("3 reserved bit of a ping", frame(PING, b"x", reserved=4)),
    # 4: opcodes that are not known
    *(broken(f"4.1 opcode {opcode}", frame(opcode, b"x")) for opcode in range(3, 8)),
    *(broken(f"4.2 control opcode {opcode}", frame(opcode, b"x")) for opcode in range(11, 16)),
    # 5: fragments
    broken("5.1 ping in two fragments", frame(PING, b"a", last=False), frame(CONT, b"b")),
    broken("5.2 pong in two fragments", frame(PONG, b"a", last=False), frame(CONT, b"b")),
    Rule("5.3 text in two fragments", (frame(TEXT, ASK[:HALF], last=False), frame(CONT, ASK[HALF:])), answers=1),
    Rule("5.4 in one write", (frame(TEXT, ASK[:HALF], last=False) + frame(CONT, ASK[HALF:]),), answers=1),
    Rule(
        "5.6 ping between fragments",
        (frame(TEXT, ASK[:HALF], last=False), frame(PING, b"between"), frame(CONT, ASK[HALF:])),
        answers=1,
        pongs=(b"between",),
    ),
    broken("5.9 continuation of nothing", frame(CONT, b"x")),
    broken("5.10 continuation of nothing, then a text", frame(CONT, b"x") + frame(TEXT, ASK)),
    broken("5.12 open continuation of nothing", frame(CONT, b"x", last=False)),
    broken("5.18 text within a text", frame(TEXT, b"a", last=False), frame(TEXT, b"b")),
    broken("5.18 bytes within a text", frame(TEXT, b"a", last=False), frame(BINARY, b"b")),
    Rule(
        "5.19 pings among five fragments",
        (
            frame(TEXT, ASK[:5], last=False),
            frame(CONT, ASK[5:9], last=False) + frame(PING, b"1"),
            frame(CONT, b"", last=False) + frame(CONT, ASK[9:15], last=False) + frame(PING, b"2"),
            frame(CONT, ASK[15:]),
        ),
        answers=1,
        pongs=(b"1", b"2"),
    ),
    # 6: texts and UTF-8
    Rule("6.2 letters of two, three and four bytes", (frame(TEXT, SMILE),), answers=1),
    Rule(
        "6.2 a letter cut by a fragment",
        (frame(TEXT, SMILE[:-4], last=False), frame(CONT, SMILE[-4:])),
        answers=1,
    ),
    Rule(
        "6.2 a fragment for each byte",
        tuple(
            frame(TEXT if at == 0 else CONT, SMILE[at : at + 1], last=at == len(SMILE) - 1) for at in range(len(SMILE))
        ),
        answers=1,
    ),
    *(
        broken(f"6.{section} {what}", frame(TEXT, data), code=1007)
        for section, what, data in (
            (3, "a byte that is none", b"\xce\xba\xff"),
            (4, "beyond the last letter", b"\xf4\x90\x80\x80"),
            (6, "a letter cut off", b"\xe2\x82"),
            (8, "continuation byte first", b"\x80"),
            (10, "half of a pair", b"\xed\xa0\x80"),
            (12, "a longer form than needed", b"\xc0\xaf"),
        )
    ),
    broken("6.3 no letter, over two fragments", frame(TEXT, b"\xce", last=False), frame(CONT, b"\xff"), code=1007),
    # 7: the closing handshake
    Rule("7.1 close", (close_frame(1000),), code=1000),
    Rule("7.1 close, then a text", (close_frame(1000) + frame(TEXT, ASK),), code=1000),
    Rule("7.1 close, then a ping", (close_frame(1000) + frame(PING, b"x"),), code=1000),
    Rule("7.1 text, then close", (frame(TEXT, ASK), close_frame(1000)), code=1000),
    broken("7.1 what is no text, then close, in one write", frame(TEXT, b"\xff") + close_frame(1000), code=1007),
    broken("7.1 a flood of pings, then close, in one write", frame(PING) * 500 + close_frame(1000), code=1008),
    Rule("7.3 close without a code", (frame(CLOSE),), code=1005),
    broken("7.3 close of one byte", frame(CLOSE, b"\x03")),
    Rule("7.3 close with a reason", (close_frame(1000, b"bye"),), code=1000),
    Rule("7.3 close with 123 bytes of reason", (close_frame(1000, b"x" * 123),), code=1000),
    broken("7.3 close with 124 bytes of reason", close_frame(1000, b"x" * 124)),
    broken("7.5 close with a reason that is no text", close_frame(1000, b"\xff\xfe"), code=1007),
    *(
        Rule(f"7.7 close with {code}", (close_frame(code),), code=code)
        for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)
    ),
    *(
        broken(f"7.9 close with {code}", close_frame(code))
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000)
    ),
    # 9 and 10: limits, and what no client may do
    broken("9 a text above our limit", frame(TEXT, b"x" * 40000), code=1009),
    broken("9 a length of eight bytes with its first bit", b"\x82\xff\x80" + bytes(7) + bytes(4), code=1009),
    broken("9 a frame of 1 GB", b"\x82\xff" + (1 << 30).to_bytes(8, "big") + bytes(4), code=1009),
    broken("10 a frame without a mask", frame(TEXT, ASK, mask=None)),
)


async def follows(rule: Rule, house: Watched) -> str | None:
    """Try one rule; what the server did wrong, or None."""
    async with raw_websocket(house.place, "/ws/view/conformance") as socket:
        for data in rule.sends:
            await socket.send(data)
        if rule.code is None:
            await socket.send(frame(PING, b"the end"))
        texts, pongs, last = await _heard(socket)
    if rule.code is not None:
        got = None if last is None else 1005 if last.payload == b"" else last.code
        return None if got == rule.code else f"closed with {got}, not {rule.code}"
    if last is not None:
        return f"closed with {last.code}"
    if pongs != rule.pongs:
        return f"pongs {pongs}, not {rule.pongs}"
    return None if texts == rule.answers else f"{texts} answers, not {rule.answers}"


async def _heard(socket: RawWebSocket) -> tuple[int, tuple[bytes, ...], Said | None]:
    """The number of answers and the pongs, up to the last pong or the server's close frame."""
    pongs: list[bytes] = []
    texts = 0
    while (said := await socket.receive()) is not None:
        if said.opcode == CLOSE:
            return texts, tuple(pongs), said
        if said.opcode == PONG and said.payload == b"the end":
            if texts == 0:  # the answer to a text comes from the app, the pong from the protocol
                return await _last_text(socket, pongs)
            return texts, tuple(pongs), None
        if said.opcode == PONG:
            pongs.append(said.payload)
        texts += said.opcode == TEXT and said.payload.startswith(b'{"type":"pong"')
    return texts, tuple(pongs), None


async def _last_text(socket: RawWebSocket, pongs: list[bytes]) -> tuple[int, tuple[bytes, ...], Said | None]:
    """Ask for the time once more: what comes before its answer was asked before."""
    await socket.send(frame(TEXT, b'{"type":"ping","timestamp":8}'))
    texts = 0
    while (said := await socket.receive()) is not None and said.opcode != CLOSE:
        if said.payload.startswith(b'{"type":"pong","timestamp":8'):
            return texts, tuple(pongs), None
        texts += said.opcode == TEXT and said.payload.startswith(b'{"type":"pong"')
    return texts, tuple(pongs), said


async def conformance(short: bool) -> Sequence[Finding]:
    """Try every rule."""
    async with watched("--model", "motion") as house:
        wrong = {rule.name: why for rule in RULES if (why := await follows(rule, house)) is not None}
        alive = await house.alive()
    told = "; ".join(f"{name}: {why}" for name, why in wrong.items())
    return [
        Finding(
            f"conformance: {len(RULES)} rules of RFC 6455",
            "all followed",
            f"{len(RULES) - len(wrong)} followed" + (f"; NOT: {told}" if wrong else ""),
            not wrong and alive,
            not wrong and alive,
        )
    ]
