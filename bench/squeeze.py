"""Recovery of latency when a real link is squeezed to 1 Mbit/s and released.

A camera in this process sends the clip through a proxy that limits the bytes per second. It obeys the server's
``adapt`` messages as the page does. For every phase the script prints p95 from capture to result, without the first
five seconds, in which the server may adjust. ``--draw`` makes the picture in docs/tuning.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from websockets.asyncio.client import connect

from common import CLIP, MODEL, asset, save, serving
from sightline.stress.charts import HEIGHT, WIDTH, ChartLine, line_chart

MBIT = 1e6 / 8
FAST = 100 * MBIT
CHUNK = 1024
HEAD = 28
"""Height of a chart's heading in pixels."""
KNOBS = ("fps", "quality", "width")


class Link:
    """TCP proxy in front of a server; ``rate`` bytes a second pass towards it."""

    def __init__(self, host: str, port: int) -> None:
        self.rate = FAST
        self._target = host, port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(*self._target)
        with contextlib.suppress(asyncio.CancelledError, OSError):  # the end of a run
            await asyncio.gather(self._pass(reader, up_writer, slow=True), self._pass(up_reader, writer, slow=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool) -> None:
        free_at = time.monotonic()
        while data := await reader.read(CHUNK if slow else 1 << 16):
            if slow:
                free_at = max(free_at, time.monotonic()) + len(data) / self.rate
                await asyncio.sleep(free_at - time.monotonic())
            writer.write(data)
            await writer.drain()
        writer.close()


class Camera:
    """Camera that sends the clip as the server asks and records the latency of each result."""

    def __init__(self) -> None:
        reader = cv2.VideoCapture(str(asset(CLIP)))
        self._images = [reader.read()[1] for _ in range(150)]
        self.asked: dict[str, Any] = {}
        self.late: list[tuple[float, float]] = []
        self.moves: list[tuple[float, dict[str, float]]] = []
        """Time and content of each request for other pictures."""
        self._pending: dict[int, float] = {}
        self._free = asyncio.Event()

    async def run(self, url: str) -> None:
        async with connect(url, compression=None, max_size=None) as ws:
            self.asked = json.loads(await ws.recv())
            receiving = asyncio.create_task(self._receive(ws))
            await ws.send(json.dumps({"type": "ping", "timestamp": time.time() * 1000}))
            seq, due = 0, time.monotonic()
            while not receiving.done():
                await asyncio.sleep(due - time.monotonic())
                due = max(due, time.monotonic() - 0.05) + 1 / self.asked["fps"]
                if len(self._pending) >= self.asked["max_pending"]:
                    continue
                jpeg, size, captured = await asyncio.to_thread(self._picture, seq)
                self._pending[seq] = captured
                about = {"timestamp": captured * 1000, "frameNumber": seq, "clockOffset": 0.001, **size}
                await ws.send(json.dumps({"type": "frame_metadata", **about}))
                await ws.send(jpeg)
                seq += 1

    async def _receive(self, ws: Any) -> None:
        async for data in ws:
            message = json.loads(data)
            if message["type"] == "adapt":
                self.asked = message
                self.moves.append((time.time(), {key: message[key] for key in KNOBS}))
                print(f"    {time.strftime('%X')} {self.moves[-1][1]}: {message['reason']}", flush=True)
            elif message["type"] in ("result", "dropped"):
                captured = self._pending.pop(message["frameNumber"])
                self.late.append((captured, (time.time() - captured) * 1000))

    def _picture(self, seq: int) -> tuple[bytes, dict[str, int], float]:
        captured, image = time.time(), self._images[seq % len(self._images)]
        width = self.asked["width"]
        height = round(image.shape[0] * width / image.shape[1])
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        quality = [cv2.IMWRITE_JPEG_QUALITY, round(self.asked["quality"] * 100)]
        return cv2.imencode(".jpg", image, quality)[1].tobytes(), {"width": width, "height": height}, captured


STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a } .grid { stroke: #d0d7de }
polyline { fill: none; stroke-width: 2 } .target { stroke: #cf222e; stroke-dasharray: 5 4 }
.c1 { stroke: #0969da } .c2 { stroke: #bf8700 } .c3 { stroke: #8250df } circle { display: none }
.n1 { fill: #0969da } .n2 { fill: #9a6700 } .n3 { fill: #8250df }
@media (prefers-color-scheme: dark) { text { fill: #9198a1 } .grid { stroke: #3d444d }
.c1 { stroke: #4493f8 } .c2 { stroke: #d29922 } .c3 { stroke: #ab7df8 }
.n1 { fill: #4493f8 } .n2 { fill: #d29922 } .n3 { fill: #ab7df8 } }
"""


def standing_alone(charts: list[tuple[str, list[ChartLine], str]]) -> str:
    """Figures under each other, each with its title and lines' names above it, as one SVG."""
    drawn = ""
    for i, (title, lines, figure) in enumerate(charts):
        inside = re.search(r'aria-label="[^"]*">(.*)</svg><ul>', figure, re.DOTALL)
        assert inside is not None
        names = "".join(f'<tspan class="n{line.color}" dx="16">{line.name}</tspan>' for line in lines)
        head = f'<text x="0" y="16"><tspan font-weight="bold">{title}</tspan>{names}</text>'
        drawn += f'<g transform="translate(8 {i * (HEIGHT + HEAD)})">{head}<g transform="translate(0 {HEAD - 8})">'
        drawn += inside[1] + "</g></g>"
    size = f"{WIDTH + 16} {len(charts) * (HEIGHT + HEAD) + 8}"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}"><style>{STYLE}</style>{drawn}</svg>\n'


async def measure(http: str, seconds: float) -> tuple[list[dict[str, Any]], Camera]:
    place = urlsplit(http)
    link, camera = Link(str(place.hostname), int(place.port or 80)), Camera()
    proxy = await asyncio.start_server(link.serve, "127.0.0.1", 0, limit=4 * CHUNK)
    port = proxy.sockets[0].getsockname()[1]
    sending = asyncio.create_task(camera.run(f"ws://127.0.0.1:{port}/ws/camera/bench"))
    rows: list[dict[str, Any]] = []
    for phase, rate in (("free", FAST), ("1 Mbit/s", MBIT), ("free again", FAST)):
        link.rate = rate
        print(f"{time.strftime('%X')} {phase}", flush=True)
        begun = time.time()
        await asyncio.sleep(seconds)
        first = [ms for at, ms in camera.late if begun <= at < begun + 5]
        then = [ms for at, ms in camera.late if at >= begun + 5]
        if not then:
            sys.exit(f"no result came in the phase {phase}")
        p95 = [round(float(np.percentile(found or [0.0], 95)), 1) for found in (first, then)]
        knobs = {key: camera.asked[key] for key in KNOBS}
        rows.append({"phase": phase, "p95_first_5s": p95[0], "p95_then": p95[1], "frames": len(then)} | knobs)
    sending.cancel()
    return rows, camera


def draw(camera: Camera, seconds: float, path: Path) -> None:
    """Draw the latency of every second and the settings asked for, as SVG for light and dark pages."""
    began = camera.late[0][0]
    by_second: dict[int, list[float]] = defaultdict(list)
    for at, ms in camera.late:
        by_second[int(at - began)].append(ms)
    lines = [
        ChartLine("p95 of a second", [(s, float(np.percentile(ms, 95))) for s, ms in sorted(by_second.items())], 1),
        ChartLine("median", [(s, float(np.median(ms))) for s, ms in sorted(by_second.items())], 2),
    ]
    charts = [("Capture to result", lines, line_chart("", lines, x="s; dashed: the target", y="ms", target=100.0))]
    steps = []
    for color, key in enumerate(KNOBS, start=1):
        most = {"fps": 30, "quality": 0.5, "width": 640}[key]
        points, now = [(0.0, 100.0)], 100.0
        for at, asked in camera.moves:
            points += [(at - began, now), (at - began, 100 * asked[key] / most)]
            now = points[-1][1]
        steps.append(ChartLine(key, [*points, (3 * seconds, now)], color))
    when = f"s; 1 Mbit/s from {seconds:g} to {2 * seconds:g} s"
    charts.append(("Asked for", steps, line_chart("", steps, x=when, y="% of the preset")))
    path.write_text(standing_alone(charts))


def main() -> None:
    """Measure, print, write bench/results/squeeze.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of each phase")
    parser.add_argument("--draw", type=Path, help="write a picture of it to this .svg file")
    args = parser.parse_args()
    with serving("--model", str(asset(MODEL))) as server:
        rows, camera = asyncio.run(measure(server.url, args.seconds))
    print("\n| link | p95 of the first 5 s | p95 after | asked for at its end |\n|---|---|---|---|")
    for row in rows:
        knobs = f"{row['fps']:g} fps, quality {row['quality']:g}, {row['width']} px"
        print(f"| {row['phase']} | {row['p95_first_5s']} ms | {row['p95_then']} ms | {knobs} |")
    save("squeeze", {"rows": rows})
    if args.draw is not None:
        draw(camera, args.seconds, args.draw)


if __name__ == "__main__":
    main()
