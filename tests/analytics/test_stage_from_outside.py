"""A stage from a package of its own: its data and events reach every way out, and no other file knows of it."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from msgspec import Struct

from sightline import AsyncClient
from sightline.media import codecs
from support.outside import install
from support.serving import Json, peer, picture, serving
from support.tcp_peer import frame, tcp_peer

STAGE = """
from msgspec import Struct

from sightline.analytics.base import Stage, Staged
from sightline.core.events import Event


class Pulse(Struct):
    frames: int
    kind: str


def create():
    return CountFrames()


class CountFrames(Stage):
    def __init__(self):
        self.frames = 0

    def staged(self, frame, kind):
        self.frames += 1
        event = Event(
            id=str(self.frames), stream=frame.stream, phase="update", kind="pulse", at=frame.captured_at, seq=frame.seq
        )
        return Staged(Pulse(self.frames, kind), (event,))

    def apply(self, frame, prediction, card):
        return self.staged(frame, "seen")

    def touch(self, frame):
        return self.staged(frame, "still")
"""
TOML = """
[streams.door]
stages = ["pulse", "counts"]

[[outputs]]
kind = "jsonl"
path = "results.jsonl"

[[outputs]]
kind = "jsonl"
path = "events.jsonl"
what = ["events"]
"""


class Pulse(Struct):
    """The stage's data, as a program that knows it reads it."""

    frames: int
    kind: str


def lines(path: Path) -> list[Json]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_stage_reaches_every_way_out(tmp_path: Path) -> None:
    env = install(tmp_path / "site", {"pulsing": STAGE}, {"analytics": {"pulse": "pulsing"}})
    (tmp_path / "sightline.toml").write_text(TOML)
    model = ("--model", "nano", "--engine", "onnx", "--tcp-port", "0")  # motion remembers, so nothing is still for it
    async with (
        serving(*model, env=env, cwd=tmp_path) as server,
        peer(f"{server.ws}/ws/view/door") as viewer,
        peer(f"{server.ws}/ws") as listener,
        peer(f"{server.ws}/ws?events=1") as events,
        AsyncClient(server.tcp) as client,
    ):
        async with peer(f"{server.ws}/ws/camera/door") as camera:
            await camera.send_frame(1, picture(1))
            answer, _ = await camera.next("result")
            assert answer["extras"].keys() == {"pulse", "counts"}
            assert answer["extras"]["pulse"] == {"frames": 1, "kind": "seen"}
            await camera.send_frame(2, picture(1))
            again, _ = await camera.next("result")
            assert (again["reused"], again["extras"]["pulse"]) == (True, {"frames": 2, "kind": "still"})

            row = {"class_id": 0, "confidence": 0.9, "xyxy": [1, 2, 30, 40]}
            results = {"model": "nano", "backend": "wasm", "threads": 1, "processing_time_ms": 3, "detections": [row]}
            meta = {"type": "frame_metadata", "timestamp": 5000, "frameNumber": 3, "width": 320, "height": 180}
            await camera.ws.send(json.dumps(meta | {"results": results}))
            await camera.ws.send(picture(2))
            by_the_page, _ = await camera.next("result")
            assert by_the_page["browser"] == "wasm, 1 thread"
            assert by_the_page["extras"]["pulse"] == {"frames": 3, "kind": "seen"}
            assert by_the_page["extras"]["counts"]["now"] == {"person": 1}

            frames = [(await viewer.next("frame_metadata"))[0] for _ in range(1)]
            assert frames[0]["extras"]["pulse"]["frames"] in (1, 2, 3)
            heard = [(await listener.next("result"))[0]["extras"]["pulse"]["frames"] for _ in range(3)]
            assert heard == [1, 2, 3]
            told = [(await events.next("event"))[0] for _ in range(3)]
            assert [(event["kind"], event["id"], event["seq"]) for event in told] == [
                ("pulse", "1", 1),
                ("pulse", "2", 2),
                ("pulse", "3", 3),
            ]
        await server.until(lambda s: not s["camera_connected"], path="/api/camera/door/stats")
        async with peer(f"{server.ws}/ws/camera/door") as camera:  # the next camera's stages are new
            await camera.send_frame(1, picture(3))
            answer, _ = await camera.next("result")
            assert answer["extras"]["pulse"]["frames"] == 1
        async with tcp_peer(server.tcp) as publisher:
            await publisher.send(frame("door", 1, picture(4)))
            message = await publisher.next("result")
            assert message["extras"]["pulse"] == {"frames": 1, "kind": "seen"}
            over_tcp = asyncio.ensure_future(anext(client.subscribe("door")))
            for seq in itertools.count(2):  # the first that it gets is known only then
                await publisher.send(frame("door", seq, picture(seq)))
                await publisher.next("result")
                if over_tcp.done():
                    break
            pulse = over_tcp.result().extra("pulse", Pulse)
            assert pulse is not None
            assert (pulse.frames, pulse.kind) == (over_tcp.result().seq, "seen")
    written = lines(tmp_path / "results.jsonl")
    assert [line["extras"]["pulse"]["frames"] for line in written][:5] == [1, 2, 3, 1, 1]
    assert [event["id"] for event in lines(tmp_path / "events.jsonl")][:5] == ["1", "2", "3", "1", "1"]


def test_a_stage_in_run(tmp_path: Path) -> None:
    env = install(tmp_path / "site", {"pulsing": STAGE}, {"analytics": {"pulse": "pulsing"}})
    (tmp_path / "sightline.toml").write_text('[streams.door]\nstages = ["pulse"]\n')
    (tmp_path / "pictures").mkdir()
    for n in range(3):
        scene = np.full((64, 64, 3), 60 * n, np.uint8)
        (tmp_path / "pictures" / f"{n}.jpg").write_bytes(codecs.encode_jpeg(scene))
    command = ("run", "pictures", "--model", "motion", "--stream", "door", "--jsonl", "out.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "sightline", *command],
        env=os.environ | env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    written = lines(tmp_path / "out.jsonl")
    assert [line["extras"]["pulse"]["frames"] for line in written if "extras" in line] == [1, 2, 3]
    assert [line["id"] for line in written if line.get("type") == "event"] == ["1", "2", "3"]
