"""Time from a frame to the alert that it causes: a camera sends the frame, and a web server receives the webhook.

A person stands in the picture, is gone for three seconds on the camera's clock, and stands there again. Each time a
rule is fulfilled, and its alert goes to two webhooks: one with JSON, one with the picture as a file of a form.
``every_s`` is a minute, which must not matter. The time begins before the frame is sent, so that receiving, inference,
tracks, zones, rules, the picture and the store are in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

from common import Served, asset, save, serving
from peers import connected, read

PAUSE_MS = 3000.0
"""Time on the camera's clock after which who is not seen has left."""
TOML = """
[streams.door]
track_confirm = 1
track_lost_s = 0.5
[streams.door.rules.visitor]
classes = ["person"]
cooldown_s = 0
actions = ["webhook"]
[[outputs]]
kind = "webhook"
url = "{url}/json"
what = ["alerts"]
every_s = 60
[[outputs]]
kind = "webhook"
url = "{url}/form"
what = ["alerts"]
every_s = 60
picture = "multipart"
"""


class Receiver(BaseHTTPRequestHandler):
    """Notes when each webhook was received, whole."""

    at: dict[str, list[float]] = {"/json": [], "/form": []}

    def do_POST(self) -> None:
        """Receive one."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.at[self.path].append(time.monotonic())
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def announced(seq: int, at_ms: float, size: tuple[int, int]) -> str:
    """Return the message before a frame."""
    about = {"timestamp": at_ms, "frameNumber": seq, "width": size[0], "height": size[1], "format": "jpeg"}
    return json.dumps({"type": "frame_metadata"} | about)


async def measure(server: Served, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of each alert, for both webhooks."""
    people = cv2.imread(str(asset("images/bus.jpg")))
    assert people is not None
    pictures = [cv2.imencode(".jpg", image)[1].tobytes() for image in (np.full(people.shape, 90, np.uint8), people)]
    size, clock, seq = (people.shape[1], people.shape[0]), 0.0, 0
    took: dict[str, list[float]] = {path: [] for path in Receiver.at}
    async with connected(f"{server.ws}/ws/camera/door") as ws:

        async def send(picture: bytes, after_ms: float) -> float:
            nonlocal clock, seq
            clock, seq = clock + after_ms, seq + 1
            began = time.monotonic()
            await ws.send(announced(seq, clock, size))
            await ws.send(picture)
            while read(await ws.recv())["type"] != "result":
                pass
            return began

        for _ in range(count):
            for _ in range(3):
                await send(pictures[0], PAUSE_MS / 3)
            had = {path: len(at) for path, at in Receiver.at.items()}
            began = await send(pictures[1], 100)
            async with asyncio.timeout(30):
                while any(len(at) == had[path] for path, at in Receiver.at.items()):  # noqa: ASYNC110 - another thread
                    await asyncio.sleep(0.002)
            for path, at in Receiver.at.items():
                took[path].append((at[had[path]] - began) * 1000)
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--model", default="nano")
    given = parser.parse_args()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "sightline.toml"
        config.write_text(TOML.replace("{url}", f"http://127.0.0.1:{web.server_port}"))
        with serving("--model", given.model, config=config, data=Path(folder) / "data") as server:
            took = asyncio.run(measure(server, given.count))
            stage = server.get("/stats")["streams"]["door"]["latency_ms"]
    figures = {
        path.strip("/"): {f"p{share}_ms": round(float(np.percentile(times, share)), 1) for share in (50, 95, 100)}
        for path, times in took.items()
    }
    print(json.dumps(figures | {"alerts": given.count, "frame_to_result_ms": stage}))
    save("alert", figures)


if __name__ == "__main__":
    main()
