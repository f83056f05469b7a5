"""Every example in docs/extending.md works as it stands: each is installed as a plugin of a package and used."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeAlias, get_args

import cv2
import numpy as np
import pytest
import pytest_asyncio
import segno

from sightline.core import registry
from support.made_graph import made_graph
from support.outside import install
from support.serving import ROOT, Json, Running, camera, peer, picture, pixels, serving
from support.waiting import within

PAGE = (ROOT / "docs" / "extending.md").read_text("utf-8")
EXAMPLE = re.compile(r"^`(\w+)\.py`, a plugin of `sightline\.(\w+)`:\n\n```python\n(.*?)^```", re.S | re.M)
EXAMPLES = EXAMPLE.findall(PAGE)
(SINK_PROGRAM,) = re.findall(r"^The program that uses it:\n\n```python\n(.*?)^```", PAGE, re.S | re.M)
SETTINGS = re.findall(r"^```toml\n(\[\[outputs\]\].*?|\[streams.*?)^```", PAGE, re.S | re.M)
Live: TypeAlias = tuple[Running, socket.socket]


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a process needs in its environment to see all examples."""
    plugins: dict[str, dict[str, str]] = {}
    for name, kind, _ in EXAMPLES:
        plugins.setdefault(kind, {})[name] = name
    return install(tmp_path_factory.mktemp("site"), {name: code for name, _, code in EXAMPLES}, plugins)


def run(env: dict[str, str], folder: Path, *command: str) -> str:
    """What a program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, *command], env=os.environ | env, cwd=folder, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr + done.stdout[-3000:]
    return done.stdout


def sightline(env: dict[str, str], folder: Path, *command: str) -> list[Json]:
    """The JSON lines of ``sightline run ... --jsonl -``."""
    said = run(env, folder, "-m", "sightline", "run", *command, "--jsonl", "-")
    return [json.loads(line) for line in said.splitlines()]


# The page


def test_there_is_an_example_for_every_kind_of_plugin() -> None:
    assert {kind for _, kind, _ in EXAMPLES} == set(get_args(registry.Kind))
    models = [code for _, kind, code in EXAMPLES if kind == "models"]
    assert any("def recognise(" in code for code in models)
    assert any("def builtin(" in code for code in models)


@pytest.mark.parametrize("kind", registry.CONTRACTS)
def test_the_page_says_what_each_kind_must_have(kind: registry.Kind) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith(f"| `{kind}`")]
    contracts = registry.CONTRACTS[kind]
    assert len(rows) == len(contracts)
    for row, needed in zip(rows, contracts, strict=True):
        assert [name for name in needed if not re.search(rf"`{name}\b", row)] == []


# Each example in use


def test_the_engine_and_the_family(env: dict[str, str], tmp_path: Path) -> None:
    outputs = {
        "boxes": np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.45]], np.float32),
        "scores": np.array([[0.1, 0.8], [0.1, 0.7]], np.float32),
    }
    file = made_graph(tmp_path / "dishes.onnx", outputs, metadata={"producer": "mynet", "names": "['cup', 'plate']"})
    cv2.imwrite(str(tmp_path / "table.png"), np.zeros((128, 128, 3), np.uint8))
    (line,) = sightline(env, tmp_path, "table.png", "--model", str(file), "--engine", "reference")
    (row,) = line["detections"]
    assert (row["class_name"], row["confidence"]) == ("plate", pytest.approx(0.8, abs=0.01))
    assert row["xyxy"] == pytest.approx([12.8, 12.8, 64, 64], abs=0.1)
    listed = run(env, tmp_path, "-m", "sightline", "doctor")
    assert "reference" in listed


def test_the_model_without_weights(env: dict[str, str], tmp_path: Path) -> None:
    segno.make_qr("sightline").save(str(tmp_path / "code.png"), scale=8, border=10)
    (line,) = sightline(env, tmp_path, "code.png", "--model", "qr")
    (row,) = line["detections"]
    assert row["class_name"] == "qr code"
    side = line["width"]
    assert row["xyxy"] == pytest.approx([80, 80, side - 80, side - 80], abs=6)


def test_the_source(env: dict[str, str], tmp_path: Path) -> None:
    lines = sightline(env, tmp_path, "counting:3", "--model", "motion")
    assert [(line["seq"], line["timestamp"], line["width"]) for line in lines] == [
        (0, 0, 320),
        (1, 100, 320),
        (2, 200, 320),
    ]
    wrong = subprocess.run(
        [sys.executable, "-m", "sightline", "run", "countng:3"], env=os.environ | env, capture_output=True, text=True
    )
    assert wrong.returncode != 0
    assert "numbers that count up (counting:30)" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_the_sink(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SINK_PROGRAM)
    assert run(env, tmp_path, "program.py") == "40 frames\n"
    with (tmp_path / "objects.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"motion"}
    assert 0 < int(rows[0]["frame"]) <= int(rows[-1]["frame"]) == 39


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def server(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Live]:
    """A server with the page's settings, and where its output sends to."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        output, stages = SETTINGS
        port = receiver.getsockname()[1]
        (folder / "sightline.toml").write_text(stages + "\n" + output.replace("9999", str(port)))
        async with serving("--model", "nano", "--engine", "onnx", env=env, cwd=folder) as running:
            yield running, receiver


async def received(receiver: socket.socket) -> Json:
    data = await within(asyncio.get_running_loop().sock_recv(receiver, 65536), 30)
    message: Json = json.loads(data)
    return message


@pytest.mark.asyncio(loop_scope="module")
async def test_the_output_and_the_stage(server: Live) -> None:
    running, receiver = server
    person = {"class_id": 0, "confidence": 0.9, "xyxy": [1, 2, 30, 40]}
    frames: list[tuple[int, int, list[Json]]] = [(1, 5000, [person]), (2, 5500, []), (3, 7000, [])]
    async with peer(f"{running.ws}/ws/camera/door") as door:
        for seq, at, rows in frames:
            results = {"model": "nano", "backend": "wasm", "threads": 1, "processing_time_ms": 3, "detections": rows}
            meta = {"type": "frame_metadata", "timestamp": at, "frameNumber": seq, "width": 320, "height": 180}
            await door.ws.send(json.dumps(meta | {"results": results}))
            await door.ws.send(picture(seq))
            answer, _ = await door.next("result")
            assert answer["extras"]["presence"] == {"people": len(rows), "present": at < 6500}
            assert "counts" in answer["extras"]
    told = [await received(receiver) for _ in range(5)]
    lines = [one for one in told if "phase" not in one]
    assert [one["seq"] for one in lines] == [1, 2, 3]
    assert lines[0]["extras"]["presence"] == {"people": 1, "present": True}
    start, end = (one for one in told if "phase" in one)
    assert (start["kind"], start["phase"], start["at"]) == ("presence", "start", 5.0)
    assert (end["kind"], end["phase"], end["at"]) == ("presence", "end", 7.0)
    assert start["id"] == end["id"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_renderer(server: Live) -> None:
    running, _ = server
    async with camera(running, "hall"):
        await running.until(lambda s: s["streams"].get("hall", {}).get("delivered", 0) > 0)
        answer = await running.http.get("/snapshot/hall.jpg?mode=pixelate")
        assert answer.headers["Sightline-Mode"] == "pixelate"
        assert pixels(answer.content).shape == (180, 320, 3)
        unknown = await running.get("/snapshot/hall.jpg?mode=pixelated")
        assert "pixelate" in unknown["error"]["message"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_transport(server: Live) -> None:
    running, _ = server
    answer = await running.http.post("/post/yard", content=picture(1))
    assert answer.status_code == 200
    assert (answer.json()["stream"], answer.json()["width"], answer.json()["model"]) == ("yard", 320, "nano")
    refused = await running.http.post("/post/yard", content=b"no picture")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "bad_image")
    async with peer(f"{running.ws}/ws/camera/yard") as holder:
        await holder.next("status")
        busy = await running.http.post("/post/yard", content=picture(1))
        assert busy.json()["error"]["code"] == "stream_busy"


CHECKED = "an_engine and reference or mynet-reference or qr or pixelate or table"


def test_the_conformance_tests_hold_for_the_examples(env: dict[str, str]) -> None:
    said = run(env, ROOT, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/conformance", "-k", CHECKED)
    assert int(re.findall(r"(\d+) passed", said)[0]) > 40
    assert "failed" not in said
