"""Recordings: what copying and encoding cost, whether live latency notices, and a month of ten cameras in the index.

``index`` is made: ten cameras, 31 days, ten frames a second, four classes that come and go. ``events`` is what happened
there in zones and by rules, 300,000 times. ``copy`` gives a clip's
packets to a recorder and takes off the time of reading them. ``encode`` gives
JPEGs of 640x360 to one. ``live`` runs a server with eight cameras of JPEGs of
640x360 at 15 fps, whose results somebody takes, with recording and without, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import av
import cv2
import numpy as np
from websockets.asyncio.client import connect

from common import Pipe, child, family_cpu, save, serving
from sightline.core.events import Event, EventFilter
from sightline.core.types import Encoded, Frame
from sightline.events.store import EventStore
from sightline.recordings.index import Index
from sightline.recordings.keeper import Keeper
from sightline.recordings.lines import SECONDS, SegmentEnd, SegmentHeader, Sight, encode
from sightline.recordings.recorder import Recorder
from sightline.recordings.shelf import Shelf
from sightline.recordings.tee import Tee
from sightline.recordings.writer_threads import WriterThreads

CAMERAS, DAYS, CLASSES = 10, 31, ("person", "car", "dog", "bicycle")
HAPPENINGS = 300_000
"""About one in 90 s at each camera."""
SPANS = 86400 // SECONDS
START = 1_796_000_000 // 86400 * 86400
PARTS = ["index", "events", "rescan", "copy", "encode", "live"]
STREAMS, FPS, SIZE = 8, 15, (640, 360)


def made_index(path: Path) -> Index:
    """Make a month of ten cameras."""
    index, chance = Index(path), random.Random(1)
    first = START // SECONDS
    for camera in range(CAMERAS):
        name = f"camera{camera}"
        with index.all_or_none() as db:
            minutes = ((name, START + 60 * n) for n in range(DAYS * 1440))
            sql = """INSERT INTO segments (stream, name, started, ended, frames, bytes, codec, width, height, kept)
                VALUES (?, ?, ?, ?, 600, 4000000, 'h264', 1280, 720, ?)"""
            db.executemany(sql, ((s, f"{s}/{at}", at, at + 60, at) for s, at in minutes))
            stream = index._id(db, name)
            for label in ("", *CLASSES):
                rows, there, last = [], label == "", -9
                for span in range(DAYS * SPANS):
                    if label:
                        there = chance.random() < (0.9 if there else 0.02)
                    if there:
                        fresh = int(bool(label) and span - last > 2)
                        rows.append((stream, index._id(db, label) if label else 0, first + span, 3, 500, fresh))
                        last = span
                db.executemany("INSERT INTO marks VALUES (?, ?, ?, ?, ?, ?)", rows)
    return index


def timed(work: Callable[[], object], times: int = 15) -> float:
    """Median milliseconds of a call."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1000)
    return round(median(took), 1)


def index_figures() -> dict[str, float]:
    """Size and answers of a month."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite"
        index = made_index(path)
        day = START + 20 * 86400
        end = START + DAYS * 86400
        found = {
            "a day's marks, by 10 s, ms": timed(lambda: index.marks("camera4", day, day + 86400, 10)),
            "a day's marks, by 5 min, ms": timed(lambda: index.marks("camera4", day, day + 86400, 300)),
            "search, all cameras, ms": timed(lambda: index.search("dog", None, 0, end, 50)),
            "search, one camera, oldest page, ms": timed(
                lambda: index.search("dog", ["camera4"], 0, START + 86400, 50)
            ),
            "search for what was never seen, ms": timed(lambda: index.search("cow", None, 0, end, 50)),
            "a day's segments, ms": timed(lambda: index.segments("camera4", day, day + 86400)),
        }
        index.close()
        return found | {"MB": round(sum(f.stat().st_size for f in Path(folder).iterdir()) / 1e6)}


def event_figures() -> dict[str, float]:
    """Answers of a search by zone and by rule, among a month of what happened at ten cameras."""
    with tempfile.TemporaryDirectory() as folder:
        store, chance = EventStore(Path(folder) / "events"), random.Random(1)
        every = DAYS * 86400 / HAPPENINGS
        for first in range(0, HAPPENINGS, 1000):
            entries = []
            for n in range(first, first + 1000):
                rare = n % 50_000 == 0
                about: dict[str, Any] = {"id": f"e{n}", "stream": f"camera{chance.randrange(CAMERAS)}", "seq": n}
                about |= {"zone": "well" if rare else chance.choice(("lawn", "door", "street")), "class_name": "person"}
                about |= {"rule": "night" if rare else "", "kind": "rule" if rare else "zone", "number": n + 1}
                entries.append((Event(phase="start", at=START + n * every, **about), None))
            store.write(entries)
        week = START + 7 * 86400
        found = {
            "happenings": float(HAPPENINGS),
            "by a zone, ms": timed(lambda: store.search(EventFilter(zone="lawn"), 50)),
            "by a rare zone, ms": timed(lambda: store.search(EventFilter(zone="well"), 50)),
            "by a rare zone of a camera, ms": timed(lambda: store.search(EventFilter("camera4", zone="well"), 50)),
            "by a rule, ms": timed(lambda: store.search(EventFilter(rule="night"), 50)),
            "by a zone, a month ago, ms": timed(lambda: store.search(EventFilter(zone="lawn"), 50, until=week)),
            "by a zone and a class never seen, ms": timed(
                lambda: store.search(EventFilter(zone="lawn", class_name="cow"), 50)
            ),
        }
        store.close()
        return found


def rescan_figures() -> dict[str, float]:
    """Seconds of making the index anew from the files of a day of ten cameras."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = Shelf(Path(folder))
        for camera in range(CAMERAS):
            for minute in range(1440):
                at = START + 60.0 * minute
                name = shelf.root.new(f"camera{camera}", at)
                shelf.root.video(name).write_bytes(b"x" * 100)
                header = SegmentHeader(
                    stream="", started_at=at, session="", time_base=(1, 90000), codec="h264", width=1280, height=720
                )
                spans = range(int(at) // SECONDS, int(at) // SECONDS + 6)
                end = SegmentEnd(frames=600, bytes=100, ended_at=at + 60, motion=dict.fromkeys(spans, 0.1))
                end.seen = {span: {label: Sight(2, span * 10.0 + 3) for label in CLASSES[:2]} for span in spans}
                lines = [encode(header), b'{"pts":0}\n' * 600, encode(end)]
                shelf.root.lines(name).write_bytes(b"".join(lines))
        began, cpu = time.monotonic(), time.process_time()
        assert shelf.rescan() == CAMERAS * 1440
        found = {"s": round(time.monotonic() - began, 1), "s of CPU": round(time.process_time() - cpu, 1)}
        shelf.close()
        return found


def clip(path: Path, count: int) -> None:
    """Write H.264 of 1280x720 with a noisy picture: packets of some KB."""
    noise = np.random.default_rng(1)
    images = [cv2.resize(noise.integers(0, 255, (90, 160, 3), np.uint8), (1280, 720)) for _ in range(8)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "50", "crf": "42"})
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(np.asarray(images[number // 5 % 8], np.uint8), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


async def copied(path: Path, recorders: Sequence[Recorder]) -> tuple[int, float]:
    """Read a clip's packets, have each recorder record them, and return how many were read and the CPU seconds."""
    tees = [Tee(recorder) for recorder in recorders]
    count, began = 0, time.process_time()
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            count += packet.size > 0
            for tee in tees:
                tee(packet)
            if count % 6 == 0:  # as a server does it with 25 frames a second
                for recorder in recorders:
                    recorder.tick("")
                for recorder in recorders:
                    await recorder._idle.wait()
    for recorder in recorders:
        await recorder.close("")
    return count, time.process_time() - began


async def copy_figures() -> dict[str, float]:
    """CPU microseconds of a packet, of one camera and of eight at a time."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        clip(path, 1500)
        for cameras in (1, STREAMS):
            costs = []
            for turn in range(5):
                shelf, writers = Shelf(Path(folder)), WriterThreads()
                names = [f"of{cameras}-turn{turn}-{number}" for number in range(cameras)]
                made = [Recorder(name, Keeper(name, shelf, 5), writers, 10, lambda: "always") for name in names]
                _, plain = await copied(path, [])
                count, cpu = await copied(path, made)
                assert all(one.written == count for one in made), [(one.written, one.lost) for one in made]
                costs.append((cpu - plain) / count / cameras * 1e6)
                writers.close()
                shelf.close()
            found[f"us of CPU a packet, cameras: {cameras}"] = round(median(costs), 1)
        return found | {"bytes of a packet": round(path.stat().st_size / count)}


def jpegs(count: int = 30) -> list[bytes]:
    """Pictures of a box that moves before some noise."""
    made = []
    for number in range(count):
        image = np.random.default_rng(number).integers(60, 120, (SIZE[1], SIZE[0], 3), np.uint8)
        image = np.asarray(cv2.GaussianBlur(image, (5, 5), 0), np.uint8)
        cv2.rectangle(image, (20 * number, 100), (20 * number + 60, 260), (40, 200, 240), -1)
        made.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    return made


async def encode_figures() -> dict[str, float]:
    """CPU of recording JPEGs, in all threads, and cores of eight cameras."""
    pictures = [Encoded(data, *SIZE) for data in jpegs()]
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(5):
            shelf, writers = Shelf(Path(folder)), WriterThreads()
            recorder = Recorder(f"turn{turn}", Keeper(f"turn{turn}", shelf, 5), writers, 10, lambda: "always")
            began = time.process_time()
            for seq in range(300):
                at = time.time() + seq / FPS
                frame = Frame(f"turn{turn}", seq, at, time.monotonic(), pictures[seq % 30], at)
                recorder.offer(frame)
                recorder.settle(frame, dropped="unwatched")
                await recorder._idle.wait()
            await recorder.close("")
            costs.append((time.process_time() - began) / 300 * 1000)
            assert recorder.written == 300, recorder.lost
            writers.close()
            shelf.close()
    cost = median(costs)
    return {"ms of CPU a frame": round(cost, 2), "cores of 8 cameras at 15 fps": round(cost * STREAMS * FPS / 1000, 3)}


def cameras(pipe: Pipe, url: str, seconds: float) -> None:
    """Send pictures of eight cameras, and take all results, for so long."""
    made = jpegs()

    async def one(number: int) -> None:
        async with connect(f"{url}/ws/camera/c{number}", max_size=None, compression=None) as ws:
            reading = asyncio.create_task(_drain(ws))
            due = time.monotonic() + number / FPS / STREAMS
            for seq in range(round(seconds * FPS)):
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due += 1 / FPS
                head = f'{{"type":"frame_metadata","timestamp":{time.time() * 1000:.3f},"frameNumber":{seq},'
                await ws.send(head + f'"width":{SIZE[0]},"height":{SIZE[1]},"format":"jpeg"}}')
                await ws.send(made[seq % 30])
            reading.cancel()

    async def all_of_them() -> None:
        await asyncio.gather(*(one(number) for number in range(STREAMS)))

    asyncio.run(all_of_them())
    pipe.send("done")
    pipe.recv()


async def _drain(ws: object) -> None:
    async for _ in ws:  # type: ignore[attr-defined]
        pass


def live_turn(seconds: float, *, record: bool) -> tuple[float, float, int]:
    """CPU cores of the server, p95 of the latency, and frames that were recorded."""
    tables = "".join(f'[streams.c{n}]\nrecord = "{"always" if record else "off"}"\n' for n in range(STREAMS))
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "sightline.toml"
        config.write_text(f"record_free_gb = 0\nadaptive = false\n{tables}")
        with serving("--model", "motion", "--place", "thread", config=config, data=folder) as server:
            with child(cameras, server.ws, seconds) as pipe:
                server.until(lambda stats: len(stats["streams"]) == STREAMS)
                time.sleep(2)
                before, began = family_cpu(server.process), time.monotonic()
                time.sleep(seconds - 6)
                cpu = (family_cpu(server.process) - before) / (time.monotonic() - began)
                stats = server.get()
                pipe.recv()
                pipe.send("end")
            stats = server.get() if record else stats
            p95 = median(one["latency_ms"]["p95"] for one in stats["streams"].values())
            for one in stats["recordings"].values():
                assert one["recorded"] == one["written"] + one["waiting"] + sum(one["lost"].values())
            return cpu, p95, sum(one["written"] for one in stats["recordings"].values())


def live_figures(seconds: float, turns: int) -> dict[str, float]:
    """With recording and without, in turns."""
    runs = [(live_turn(seconds, record=False), live_turn(seconds, record=True)) for _ in range(turns)]
    return {
        "cores without": round(median(a[0] for a, _ in runs), 3),
        "cores of recording": round(median(b[0] - a[0] for a, b in runs), 3),
        "p95 without, ms": round(median(a[1] for a, _ in runs), 1),
        "p95 with, ms": round(median(b[1] for _, b in runs), 1),
        "frames recorded": runs[-1][1][2],
    }


def main() -> None:
    """Run the parts and save what they found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    for part in args.parts:
        if part == "index":
            found[part] = index_figures()
        elif part == "events":
            found[part] = event_figures()
        elif part == "rescan":
            found[part] = rescan_figures()
        elif part == "copy":
            found[part] = asyncio.run(copy_figures())
        elif part == "encode":
            found[part] = asyncio.run(encode_figures())
        else:
            found[part] = live_figures(args.seconds, args.turns)
        print(part, found[part], flush=True)
    save("recordings", found, "python bench/recordings.py")


if __name__ == "__main__":
    main()
