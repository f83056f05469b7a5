"""A server that is killed while it records: every file opens, the index is right at the next start, little is lost."""

from __future__ import annotations

import asyncio
import itertools
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from chaos.common import Finding
from sightline.recordings.folders import begun_at
from support.clips import moving
from support.recorded import Piece, piece
from support.rtsp import RtspServer
from support.serving import Json, Running, peer, picture, serving

LIVES, SHORT = 50, 1
LIFE_S = 1.5, 6.0
"""Shortest and longest time from a server's start to its death."""
CAMERAS = ("left", "right")
STREAMS = (*CAMERAS, "lane", "clip")
SEED = 17
MOST_LOST_S = 1.0


@dataclass
class Seen:
    """What came of all lives."""

    files: int = 0
    unreadable: list[str] = field(default_factory=list)
    """Files that did not open, or whose pictures and lines are not the same frames."""
    wrong: list[str] = field(default_factory=list)
    """Segments that are listed as what they are not, or not at all."""
    missing_s: list[float] = field(default_factory=list)
    """Time from the last frame that plays to the kill, of each stream and life."""
    checked: set[Path] = field(default_factory=set)


def settings(folder: Path, url: str) -> str:
    """Write a clip and return the settings of four streams: two that send JPEGs, two that are pulled."""
    with av.open(str(folder / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "2", "preset": "veryfast", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(200):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moving(number)), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    tables = "".join(f'[streams.{name}]\nrecord = "always"\n' for name in STREAMS)
    return f'record_free_gb = 0\n[sources]\nlane = "{url}"\nclip = "{folder / "clip.mp4"}#loop"\n{tables}'


async def camera(server: Running, name: str) -> None:
    """Send a picture 15 times a second."""
    async with peer(f"{server.ws}/ws/camera/{name}") as sender:
        for seq in itertools.count():
            await sender.send_frame(seq, picture(seq))
            await sender.next("result", "dropped")
            await asyncio.sleep(1 / 15)


async def life(server: Running) -> float:
    """Record, then die in the midst of it. Return when."""
    sending = [asyncio.create_task(camera(server, name)) for name in CAMERAS]
    await asyncio.sleep(random.uniform(*LIFE_S))
    server.process.kill()
    died = time.time()
    await server.process.wait()
    for task in sending:
        task.cancel()
    await asyncio.wait(sending)
    return died


def look(folder: Path, died: float, seen: Seen) -> None:
    """Read what the dead server left, as it lies there."""
    for name in STREAMS:
        newest = 0.0
        for path in sorted(folder.glob(f"{name}/*/*.mp4")):
            if path in seen.checked:
                continue
            seen.files += 1
            try:
                newest = max(newest, plays_to(piece(path, cut=True)))
            except (OSError, ValueError, IndexError) as e:
                if died - (begun_at(path) or 0) < MOST_LOST_S:  # it has no whole picture yet: see ``check``
                    continue
                seen.unreadable.append(f"{path.name}: {e}")
        seen.missing_s.append(died - newest)


def plays_to(found: Piece) -> float:
    """When the last picture was taken that plays; it may be one whose line was not written yet."""
    if not found.lines:
        return float(found.header["started_at"] + found.times[-1] - found.times[0])
    return float(found.lines[-1]["at"] + max(0, found.times[-1] - found.line_times[-1]))


async def compare(server: Running, folder: Path, died: float, seen: Seen) -> None:
    """Compare what the new server lists with the files."""
    for name in STREAMS:
        answer = await server.get(f"/api/recordings/{name}?from=0&to={died}")
        check(name, answer["segments"], folder, died, seen)


def check(name: str, segments: list[Json], folder: Path, died: float, seen: Seen) -> None:
    """Compare what is listed of a stream with its files."""
    listed = {one["started_at"]: one for one in segments}
    for path in sorted(folder.glob(f"{name}/*/*.mp4")):
        try:
            found = piece(path)
        except (ValueError, IndexError):
            if (begun_at(path) or 0) < died:  # else the new server has only begun it
                seen.wrong.append(f"{path.name}: it does not open, and is still there")
            continue
        start, frames = found.header["started_at"], len(found.times)
        row = listed.pop(start, None)
        if start < died and (row is None or row["open"] or not row["frames"] == frames == len(found.lines)):
            seen.wrong.append(f"{path.name}: {row}, {frames} frames, {len(found.lines)} lines")
        if start < died:
            seen.checked.add(path)
    seen.wrong += [f"{name}: listed and not there: {one}" for one in listed.values()]


async def lives(folder: Path, count: int) -> Seen:
    """Kill a server so many times."""
    seen, died = Seen(), 0.0
    with RtspServer() as lane:
        (folder / "sightline.toml").write_text(settings(folder, lane.url))
        for n in range(count + 1):
            async with serving("--model", "motion", cwd=folder, data=folder / "data") as server:
                if died:
                    await compare(server, folder / "data" / "recordings", died, seen)
                if n < count:
                    died = await life(server)
            if n < count:
                look(folder / "data" / "recordings", died, seen)
    return seen


async def recordings(short: bool) -> Sequence[Finding]:
    """All lives, then the count."""
    random.seed(SEED)
    count = SHORT if short else LIVES
    with tempfile.TemporaryDirectory() as name:
        seen = await lives(Path(name), count)
    worst = max(seen.missing_s)
    whole = not seen.unreadable and not seen.wrong and seen.files >= len(STREAMS)
    told = "; ".join([*seen.unreadable, *seen.wrong][:3])
    return [
        Finding(
            f"kill -9 of a server {count} times while it records {len(STREAMS)} streams",
            "every file opens, and the next start lists each as it is",
            f"{seen.files} files, {len(seen.unreadable)} unreadable, {len(seen.wrong)} listed wrongly {told}",
            whole,
            whole,
        ),
        Finding(
            f"what is missing before the kill, {len(seen.missing_s)} files",
            f"at most {MOST_LOST_S:g} s",
            f"at most {worst:.2f} s",
            worst <= MOST_LOST_S,
        ),
    ]
