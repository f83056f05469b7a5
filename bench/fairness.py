"""Fairness among equal publishers of one model, over WebSocket or TCP: results a second of each, and Jain's index.

Publishers come one after the other, a tenth of a second apart. They obey the server as cameras do, or, with
``--deaf``, take no notice and have up to 16 frames under way. After ``--settle`` seconds their results are counted for
``--seconds``. Jain's index is 1 where all have the same, and 1/n where one has everything.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from common import MODEL, Pipe, asset, child, clip_jpegs, save, serving
from overload import unbalanced
from sightline import AsyncClient, Result
from sightline.stress.figures import jain

APART_S = 0.1
DEAF_PENDING = 16


async def filmed(jpegs: Sequence[bytes], fps: float) -> AsyncIterator[bytes]:
    """Pictures of a camera: one that nobody takes at its time is gone."""
    begun, seq = time.monotonic(), 0
    while True:
        seq = max(seq + 1, int((time.monotonic() - begun) * fps))
        await asyncio.sleep(begun + seq / fps - time.monotonic())
        yield jpegs[seq % len(jpegs)]


def publish(pipe: Pipe, url: str, count: int, fps: float, deaf: bool, jpegs: Sequence[bytes]) -> None:
    """Run the publishers. Each message of the pipe is answered with the number of results of each so far."""
    results: Counter[int] = Counter()

    async def one(client: AsyncClient, number: int) -> None:
        await asyncio.sleep(number * APART_S)
        publishing = client.publish(f"bench-{number}", filmed(jpegs, fps), adapt=not deaf)
        async with aclosing(publishing) as answers:
            async for answer in answers:
                results[number] += isinstance(answer, Result)

    async def tell() -> None:
        while True:
            await asyncio.to_thread(pipe.recv)
            pipe.send([results[number] for number in range(count)])

    async def run() -> None:
        async with AsyncClient(url) as client:
            await asyncio.gather(tell(), *(one(client, number) for number in range(count)))

    asyncio.run(run())


def measured(args: argparse.Namespace, count: int, jpegs: Sequence[bytes]) -> dict[str, Any]:
    """Results a second of each of so many publishers, in their order of arrival."""
    model = "motion" if args.model == "motion" else str(args.model or asset(MODEL))
    pending = {"max_pending": DEAF_PENDING} if args.deaf else {}
    with serving("--model", model, "--tcp-port", "0", max_streams=256, **pending) as server:
        url = server.ws if args.transport == "ws" else server.tcp
        with child(publish, url, count, args.fps, args.deaf, jpegs) as publishers:
            server.until(lambda stats: len(stats["streams"]) == count)
            time.sleep(args.settle)
            publishers.send(None)
            before, begun = publishers.recv(), time.monotonic()
            time.sleep(args.seconds)
            publishers.send(None)
            after, ended = publishers.recv(), time.monotonic()
            stats = server.get()
        if wrong := unbalanced(stats):
            sys.exit(f"the ledger does not balance: {wrong}")
    rates = [round((b - a) / (ended - begun), 2) for a, b in zip(before, after, strict=True)]
    asked = [(s["adaptive"] or {}).get("fps") for s in stats["streams"].values()]
    lost: Counter[str] = Counter()
    for stream in stats["streams"].values():
        lost.update(stream["dropped"])
    latency = max(s["latency_ms"]["p95"] for s in stats["streams"].values())
    return {"publishers": count, "fps": rates, "jain": round(jain(rates), 5), "asked": asked} | {
        "total": round(sum(rates), 1), "spread": round(max(rates) / max(min(rates), 0.01) - 1, 4),
        "dropped": dict(lost), "p95_ms": latency,
    }  # fmt: skip


def main() -> None:
    """Measure, print, write bench/results/fairness.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transport", choices=("ws", "tcp"), default="ws")
    parser.add_argument("--publishers", type=int, nargs="+", default=[6])
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--model", help="motion, or an ONNX file (default: yolox_nano.onnx of the assets)")
    parser.add_argument("--deaf", action="store_true", help="publishers take no notice of what they are asked")
    parser.add_argument("--settle", type=float, default=12)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    jpegs = clip_jpegs()
    rows = []
    print("| publishers | results/s | Jain | most over least | p95 ms | dropped | results/s of each, by arrival |")
    print("|---|---|---|---|---|---|---|")
    for count in args.publishers:
        rows.append(row := measured(args, count, jpegs))
        lost = ", ".join(f"{n} {reason}" for reason, n in row["dropped"].items()) or "none"
        print(
            f"| {count} | {row['total']} | {row['jain']:.4f} | {row['spread']:+.1%} | {row['p95_ms']} "
            f"| {lost} | {', '.join(f'{fps:g}' for fps in row['fps'])} |",
            flush=True,
        )
    save("fairness", {"rows": rows})


if __name__ == "__main__":
    main()
