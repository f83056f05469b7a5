"""A file system of recordings that is full again and again: nobody else notices, and what is listed is there."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos.common import Finding, percentile
from chaos.recordings import Seen, compare
from support.serving import Json, Running, peer, picture, serving

TIMES, SHORT = 20, 1
SIZE_MB = 24
LOOK_S, SHORT_LOOK_S = 3.0, 0.5
"""Time for which latency is measured while the disk is full, and as long while there is room."""
LEFT = (0, 3_000, 20_000, 90_000)
"""Bytes that are left, in turns, so that another write is the first to fail."""
STREAMS = ("left", "right")
SHARE = 0.05
"""Part by which live latency may differ."""


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Have a small file system in a new folder; False where the system does not let us."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m,mode=700", "none", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(ballast: Path, left: int) -> None:
    """Take all room but so many bytes."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(1 << 12)):
            pass
        file.flush()
    os.truncate(ballast, max(0, ballast.stat().st_size - left))


async def camera(server: Running, name: str, took: list[float]) -> None:
    """Send 15 pictures a second, and keep the milliseconds from each to its answer."""
    async with peer(f"{server.ws}/ws/camera/{name}") as sender:
        for seq in itertools.count():
            began = time.perf_counter()
            await sender.send_frame(seq, picture(seq % 32))
            await sender.next("result", "dropped")
            took.append((time.perf_counter() - began) * 1000)
            await asyncio.sleep(1 / 15)


def full(stats: Json) -> bool:
    """Whether the server says that nothing can be recorded."""
    return "recordings" in stats["troubles"]


def exact(stats: Json) -> bool:
    """Whether each frame counts once."""
    return all(
        one["recorded"] == one["written"] + one["waiting"] + sum(one["lost"].values())
        for one in stats["recordings"].values()
    )


async def there(server: Running) -> list[str]:
    """What is listed and can't be had."""
    missing = []
    for name in STREAMS:
        for one in (await server.get(f"/api/recordings/{name}"))["segments"]:
            for ending in ("mp4", "jsonl"):
                path = f"/api/recordings/{name}/segments/{one['id']}.{ending}"
                answer = await server.http.get(path, headers={"Range": "bytes=0-9"})
                if answer.status_code != 206:
                    missing.append(f"{path}: {answer.status_code}")
    return missing


async def turns(server: Running, folder: Path, count: int, look_s: float) -> tuple[list[str], list[float], list[float]]:
    """Fill the disk and free it so many times. Return what was wrong, and latencies with room and without."""
    wrong: list[str] = []
    took: list[float] = []
    roomy: list[float] = []
    crowded: list[float] = []
    sending = [asyncio.create_task(camera(server, name, took)) for name in STREAMS]
    await server.until(lambda s: all(s["recordings"].get(name, {}).get("written") for name in STREAMS))
    for turn in range(count):
        took.clear()
        await asyncio.sleep(look_s)
        roomy += took
        await asyncio.to_thread(fill, folder / "ballast", LEFT[turn % len(LEFT)])
        stopped = await server.until(full)
        took.clear()
        await asyncio.sleep(look_s)
        crowded += took
        wrong += [] if exact(stopped) else [f"not exact: {stopped['recordings']}"]
        wrong += await there(server)
        (folder / "ballast").unlink()
        before = sum(one["written"] for one in stopped["recordings"].values())
        again = await server.until(
            lambda s, least=before + 10: (  # type: ignore[misc]
                not full(s) and sum(one["written"] for one in s["recordings"].values()) > least
            )
        )
        wrong += [] if exact(again) else [f"not exact: {again['recordings']}"]
    for task in sending:
        task.cancel()
    await asyncio.wait(sending)
    return wrong, roomy, crowded


def still(stats: Json) -> bool:
    """Whether nothing is on its way to the disk."""
    return not any(one["waiting"] for one in stats["recordings"].values())


async def full_disk(short: bool) -> Sequence[Finding]:
    """Fill a small disk many times while two cameras are recorded, then compare what is listed with the files."""
    count, look_s = (SHORT, SHORT_LOOK_S) if short else (TIMES, LOOK_S)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "data" / "recordings"
        with small_disk(folder) as mounted:
            if not mounted:
                return [Finding("a full disk", "a small file system", "this system mounts none for us", True)]
            tables = "".join(f'[streams.{one}]\nrecord = "always"\n' for one in STREAMS)
            (Path(name) / "sightline.toml").write_text(f"record_free_gb = 0\nadaptive = false\n{tables}")
            async with serving("--model", "motion", cwd=Path(name), data=folder.parent) as server:
                wrong, roomy, crowded = await turns(server, folder, count, look_s)
                last = await server.until(still)
                lost = sum(sum(one["lost"].values()) for one in last["recordings"].values())
            async with serving("--model", "motion", cwd=Path(name), data=folder.parent) as server:
                seen = Seen()
                await compare(server, folder, time.time(), seen)
            files = len(list(folder.glob("*/*/*.mp4")))
    before, after = percentile(roomy, 95), percentile(crowded, 95)
    wrong += seen.wrong
    return [
        Finding(
            f"a disk of {SIZE_MB} MB that is full {count} times while {len(STREAMS)} streams are recorded",
            "each frame counts once, recording goes on by itself, what is listed is there",
            f"{files} files, {lost} frames lost and counted, {len(wrong)} wrong {'; '.join(wrong[:3])}",
            not wrong and lost > 0,
            not wrong,
        ),
        Finding(
            f"live latency while the disk is full, {len(crowded)} frames",
            f"p95 within {SHARE:.0%} of that with room, in turns",
            f"{before:.1f} ms with room, {after:.1f} ms without",
            after <= before * (1 + SHARE),
        ),
    ]
