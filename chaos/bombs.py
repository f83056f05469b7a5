"""Small files that claim to be large, to everything that reads pictures: refused by their header, before any pixel."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import psutil

from chaos.common import MB, Finding, watched
from chaos.corpus import JPEG, PICTURES, chunk, png
from sightline.core.errors import SightlineError
from sightline.media import codecs
from support.serving import metadata, peer, publish

REFUSED_S, GROWN_MB = 0.005, 2.0
LIMIT = 1 << 24
TRUE = (180, 320, 3)
"""Shape of the good picture of which the bombs are made."""

MASKS = {
    "mask of 65535x65535": png(65535, 65535),
    "mask of no pixels": png(0, 0),
    "mask of 16 bits": png(64, 64, depth=16),
    "mask with a palette": png(64, 64, colour=3),
    "mask with a chunk that claims 4 GB": png(64, 64, chunks=chunk(b"IDAT", 0xFFFFFFFF)),
    "mask of 8192x8192 that has no pixels": png(8192, 8192, chunks=chunk(b"IDAT", 4, b"x\x9c\x03\x00")),
    "mask with a text that unpacks to much, zip-like": png(64, 64, chunks=chunk(b"zTXt", 8, b"a\0\0x\x9c\x03\x00\x00")),
}


def tried(name: str, data: bytes, read: Callable[[bytes], object]) -> tuple[str, float, float, bool]:
    """Read one; its name, seconds, megabytes, and whether it was refused, or is what it claims to be."""
    process = psutil.Process()
    before, began = process.memory_info().rss, time.perf_counter()
    try:
        refused = read(data) == TRUE
    except SightlineError:
        refused = True
    took = time.perf_counter() - began
    return name, took, (process.memory_info().rss - before) / MB, refused


def in_the_decoder() -> list[Finding]:
    """Every bomb to the function that all callers use."""

    def jpeg(data: bytes) -> tuple[int, ...]:
        return codecs.decode(codecs.check_jpeg(data, max_pixels=LIMIT)).shape

    jpeg(JPEG)  # warms the library
    found = [tried(name, data, jpeg) for name, data in PICTURES.items()]
    found += [tried(name, data, codecs.decode_mask) for name, data in MASKS.items()]
    let_in = [name for name, _, _, refused in found if not refused]
    slow, took, _, _ = max(found, key=lambda one: one[1])
    large, _, grown, _ = max(found, key=lambda one: one[2])
    return [
        Finding(
            f"{len(found)} bombs to the decoder",
            f"each refused in < {REFUSED_S * 1000:g} ms, + < {GROWN_MB:g} MB",
            f"longest {took * 1000:.2f} ms ({slow}), largest {grown:+.2f} MB ({large})"
            + (f"; NOT refused: {', '.join(let_in)}" if let_in else ""),
            not let_in and took < REFUSED_S and grown < GROWN_MB,
            not let_in and grown < 64,
        )
    ]


async def bombs(short: bool) -> Sequence[Finding]:
    """To the decoder, then to a server that somebody else uses."""
    async with watched("--model", "motion") as house:
        ws = house.server.ws
        async with peer(f"{ws}/ws/camera/good") as good:
            await publish(good, 5)
            before, told = house.mark(), []
            for name, data in PICTURES.items():
                async with peer(f"{ws}/ws/camera/bomb?session=bomb") as bad:
                    await bad.ws.send(metadata(1))
                    began = time.perf_counter()
                    await bad.ws.send(data)
                    answer, _ = await bad.next("error", "dropped", "result")
                    told.append((time.perf_counter() - began, answer.get("code") or answer["type"], name))
            await publish(good, 1, start=5)
            after = house.mark()
        took, _, slow = max(told)
        grown, alive = (after.rss - before.rss) / MB, await house.alive()
        codes = {code for _, code, _ in told}
        served = Finding(
            f"{len(told)} bombs to /ws/camera",
            "each answered, + < 2 MB",
            f"answered with {', '.join(sorted(codes))}; longest {took * 1000:.1f} ms ({slow}); {grown:+.1f} MB",
            alive and grown < GROWN_MB,
            alive and codes <= {"bad_image", "too_large", "bad_message", "dropped", "result"} and grown < 64,
        )
    return [*in_the_decoder(), served]
