"""Helpers of all benchmarks: assets, a server in its own process, peers in others, the results file."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import psutil

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"
CLIP = "videos/one-by-one-person-detection.mp4"
MODEL = "models/yolox_nano.onnx"
SIZE = (768, 432)
"""Width and height of the clip."""

Pipe: TypeAlias = "Connection[Any, Any]"
_processes = multiprocessing.get_context("spawn")


def asset(name: str) -> Path:
    """Path of a model or a clip. Exits with a hint if it is missing."""
    path = Path(os.environ.get("SIGHTLINE_ASSETS", ROOT.parent / "shared" / "assets")) / name
    if not path.is_file():
        sys.exit(f"{path} is not there: set SIGHTLINE_ASSETS to the folder that has {name}")
    return path


def clip_jpegs(count: int = 150) -> list[bytes]:
    """First frames of the clip as JPEGs of quality 80 (about 50 KB each)."""
    reader = cv2.VideoCapture(str(asset(CLIP)))
    jpegs: list[bytes] = []
    while len(jpegs) < count:
        there, image = reader.read()
        if not there:
            break
        jpegs.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes())
    return jpegs


def frame_metadata(seq: int) -> str:
    """Message with which a camera announces a frame of the clip."""
    return (
        f'{{"type":"frame_metadata","timestamp":{time.time() * 1000:.3f},"frameNumber":{seq},'
        f'"width":{SIZE[0]},"height":{SIZE[1]},"format":"jpeg"}}'
    )


def cpu_seconds(process: psutil.Process) -> float:
    """CPU seconds of all threads of a process since it started."""
    times = process.cpu_times()
    return float(times.user + times.system)


def family_cpu(process: psutil.Process) -> float:
    """CPU seconds of a process and its children, those that have ended too."""
    ended = process.cpu_times()
    ended_s = float(getattr(ended, "children_user", 0.0) + getattr(ended, "children_system", 0.0))
    return ended_s + sum(map(cpu_seconds, (process, *process.children(recursive=True))))


@dataclass
class Served:
    """A running server."""

    url: str
    process: psutil.Process
    tcp: str = ""
    """Address for TCP clients, where it was started with ``--tcp-port``."""

    @property
    def ws(self) -> str:
        """Base URL for WebSockets."""
        return self.url.replace("http", "ws", 1)

    def get(self, path: str = "/stats") -> Any:
        """Read a JSON page."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def until(self, holds: Callable[[Any], bool], *, seconds: float = 60) -> Any:
        """Wait until ``/stats`` satisfies ``holds`` and return it. Exits after ``seconds``."""
        end = time.monotonic() + seconds
        while not holds(stats := self.get()):
            if time.monotonic() > end:
                sys.exit(f"after {seconds:g} s /stats still was {json.dumps(stats)[:1000]}")
            time.sleep(0.05)
        return stats

    def rss_mb(self) -> float:
        """Resident memory in MB."""
        return float(self.process.memory_info().rss) / 2**20


@contextmanager
def serving(*options: str, **settings: object) -> Iterator[Served]:
    """Run ``sightline serve`` with these options and ``SIGHTLINE_*`` settings on a free port; its model is loaded.

    Without the setting ``data`` its folder is one of its own that is thrown away.
    """
    with (
        tempfile.TemporaryDirectory(prefix="sightline-data-") as folder,
        _serving(*options, **{"data": folder} | settings) as served,
    ):
        yield served


@contextmanager
def _serving(*options: str, **settings: object) -> Iterator[Served]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("SIGHTLINE_")}
    env |= {f"SIGHTLINE_{k.upper()}": str(v) for k, v in settings.items()}
    command = [sys.executable, "-m", "sightline", "serve", "--port", "0", "--log-level", "warning"]
    command += ["--no-static-skip", *options]  # the same few pictures repeat: each must cost its price
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT / "bench") as server:
        try:
            assert server.stdout is not None
            lines = iter(server.stdout)
            address = next((m for line in lines if (m := re.search(r"http://\S+", line))), None)
            if address is None:
                sys.exit("the server did not start")
            served = Served(address[0], psutil.Process(server.pid))
            if "--tcp-port" in options:
                served.tcp = next(m[0] for line in lines if (m := re.search(r"tcp://\S+", line)))
            served.until(lambda stats: stats["model"] != "", seconds=120)
            yield served
        finally:
            server.terminate()


@contextmanager
def child(work: Callable[..., None], *args: object) -> Iterator[Pipe]:
    """Run ``work(pipe, *args)`` in a process of its own, which is killed at the end."""
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=work, args=(theirs, *args), daemon=True)
    process.start()
    theirs.close()  # so that its end also ends our reading
    try:
        yield ours
    finally:
        process.kill()
        process.join()


def save(name: str, results: dict[str, Any], command: str | None = None) -> Path:
    """Write the results and a description of this machine as JSON. ``command``: what made them, if not this program."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    where = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "command": command or f"python bench/{name}.py {' '.join(sys.argv[1:])}".rstrip(),
    }
    path.write_text(json.dumps(where | results, indent=1) + "\n")
    return path
