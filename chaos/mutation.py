"""Seeded changes of bytes and of values: the same seed gives the same messages."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, 255, 256, 65535, 65536, 2**31, 2**53, 2**63 - 1, -(2**63), 1e308, -0.0, 5e-324),
    *("", " ", "\0", "a" * 70, "a/b", "..", "%00", "\ud7ff", "\U0001f600", "null", "[]", "door", "motion", "ping"),
    *([], {}, [[]], {"": ""}, [0] * 5, {"type": "ping"}, ["person"], [0.0, 0.0, 1.0, 1.0]),
)
"""Values at the edges of types."""
NUMBERS = (b"\x00", b"\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff")


def _flip(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.randint(1, 8)):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _cut(rng: random.Random, data: bytearray) -> None:
    begin = rng.randint(0, len(data))
    del data[begin : begin + rng.randint(1, 1 + len(data) // 2)]


def _repeat(rng: random.Random, data: bytearray) -> None:
    begin = rng.randint(0, len(data))
    part = data[begin : begin + rng.randint(1, 64)]
    data[begin:begin] = part * rng.randint(1, 20)


def _insert(rng: random.Random, data: bytearray) -> None:
    begin = rng.randint(0, len(data))
    data[begin:begin] = rng.randbytes(rng.randint(1, 16))


def _number(rng: random.Random, data: bytearray) -> None:
    value = rng.choice(NUMBERS)
    begin = rng.randint(0, len(data))
    data[begin : begin + len(value)] = value


CHANGES: tuple[Callable[[random.Random, bytearray], None], ...] = (_flip, _flip, _cut, _repeat, _insert, _number)


def mutated(rng: random.Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """The bytes with one to four changes, sometimes spliced with another message."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        rng.choice(CHANGES)(rng, changed)
    if others and rng.random() < 0.1:
        other = rng.choice(others)
        changed[rng.randint(0, len(changed)) :] = other[rng.randint(0, len(other)) :]
    return bytes(changed)


def altered(rng: random.Random, value: Any) -> Any:
    """A JSON value in which one part, somewhere, is an odd one, gone, or there twice."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        what = rng.random()
        if what < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if what < 0.2:
            return value | {str(rng.choice(ODD)): value[key]}
        return value | {key: altered(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return value[:at] + [altered(rng, value[at])] * rng.choice((1, 1, 2, 500)) + value[at + 1 :]
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.4:
        return value + rng.choice((-1, 1, 0.5, 1000))
    return rng.choice(ODD)
