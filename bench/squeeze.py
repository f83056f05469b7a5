"""Whether latency comes back under its target when a real link is squeezed to 1 Mbit/s and released.

A camera in a process of its own sends the clip through a proxy that lets so many bytes a second pass. It obeys the
server's ``adapt`` messages as the page does. Of every phase it prints p95 from capture to result, without the first
five seconds, in which the server may find its way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import cv2
import numpy as np
from websockets.asyncio.client import connect

from common import CLIP, MODEL, asset, save, serving

MBIT = 1e6 / 8
FAST = 100 * MBIT
CHUNK = 1024


class Link:
    """A TCP proxy in front of a server; ``rate`` bytes a second pass towards it."""

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
    """Sends the clip as it is asked to, and writes down how late each result came."""

    def __init__(self) -> None:
        reader = cv2.VideoCapture(str(asset(CLIP)))
        self._images = [reader.read()[1] for _ in range(150)]
        self.asked: dict[str, Any] = {}
        self.late: list[tuple[float, float]] = []
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
                told = {key: message[key] for key in ("fps", "quality", "width")}
                print(f"    {time.strftime('%X')} {told}: {message['reason']}", flush=True)
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


async def measure(http: str, seconds: float) -> list[dict[str, Any]]:
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
        knobs = {key: camera.asked[key] for key in ("fps", "quality", "width")}
        rows.append({"phase": phase, "p95_first_5s": p95[0], "p95_then": p95[1], "frames": len(then)} | knobs)
    sending.cancel()
    return rows


def main() -> None:
    """Measure, print, write bench/results/squeeze.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30, help="of each phase")
    args = parser.parse_args()
    with serving("--model", str(asset(MODEL))) as server:
        rows = asyncio.run(measure(server.url, args.seconds))
    print("\n| link | p95 of the first 5 s | p95 after | asked for at its end |\n|---|---|---|---|")
    for row in rows:
        knobs = f"{row['fps']:g} fps, quality {row['quality']:g}, {row['width']} px"
        print(f"| {row['phase']} | {row['p95_first_5s']} ms | {row['p95_then']} ms | {knobs} |")
    save("squeeze", {"rows": rows})


if __name__ == "__main__":
    main()
