"""A virtual environment for each peer, in a cache folder. What can't be installed is said, not left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from common import ROOT

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "sightline" / "race"
SHARED_PINS = ("torch==", "torchvision==")
"""Lines of constraints.txt that hold for the peers as well, so that all have the same PyTorch."""
TOOLS = ("pip", "setuptools", "wheel")
"""Distributions of an environment that are no part of what was installed."""

NEEDS = {
    "Sightline": (str(ROOT),),
    "plain loop": ("numpy", "onnxruntime", "opencv-python-headless"),
    "Roboflow inference": ("inference",),
    "Ultralytics": ("ultralytics", "onnxruntime"),
    "imagezmq": ("imagezmq", "opencv-python-headless"),
    "NetGear": ("vidgear", "opencv-python-headless", "pyzmq", "simplejpeg"),
    "LitServe": ("litserve",),
    "FastRTC": ("fastrtc",),
    "websockets": ("websockets", "uvloop"),
}
PROGRAMS = {
    "plain loop": "plain",
    "Roboflow inference": "roboflow",
    "Ultralytics": "ultralytics",
    "imagezmq": "imagezmq",
    "NetGear": "netgear",
    "LitServe": "litserve",
    "websockets": "broadcast",
}
"""Module of ``race.contestants`` for each peer that runs."""


@dataclass(frozen=True)
class Environment:
    """A peer's environment, or why there is none."""

    name: str
    folder: Path
    missing: str = ""

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def size(self) -> tuple[float, int]:
        """Megabytes (10^6 bytes) of all files that were installed, and the number of distributions."""
        site = next(self.folder.glob("lib*/**/site-packages"))
        kept = [d for d in distributions(path=[str(site)]) if d.metadata["Name"].lower() not in TOOLS]
        tools = {site / tool for tool in TOOLS}
        files = (
            file for top in site.iterdir() if top not in tools for file in ([top] if top.is_file() else top.rglob("*"))
        )
        return sum(file.stat().st_size for file in files if file.is_file()) / 1e6, len(kept)


def prepared(name: str) -> Environment:
    """The environment of a peer, installed anew where what it needs has changed."""
    folder = CACHE / name.lower().replace(" ", "-")
    needs = NEEDS[name]
    pins = (ROOT / "constraints.txt").read_text() if name == "Sightline" else _shared_pins()
    mark, wanted = folder / "installed.json", json.dumps([*needs, pins, sys.version])
    if mark.is_file() and mark.read_text() == wanted and name != "Sightline":
        return Environment(name, folder)
    print(f"installing {name}", file=sys.stderr)
    constraints = CACHE / f"{folder.name}.txt"
    CACHE.mkdir(parents=True, exist_ok=True)
    constraints.write_text(pins)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    here = Environment(name, folder)
    pip = (str(here.python), "-m", "pip", "install", "--quiet", "--constraint", str(constraints), *needs)
    done = subprocess.run(pip, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return Environment(name, folder, missing=next((s for s in reversed(said) if s.startswith("ERROR")), said[-1]))
    mark.write_text(wanted)
    return here


def _shared_pins() -> str:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return "\n".join(line for line in lines if line.startswith(SHARED_PINS)) + "\n"


class Contestant:
    """A peer's program, waiting for jobs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, job: str, **details: object) -> Any:
        """Have a job done. Raises RuntimeError with what went wrong."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps({"job": job, **details}), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"its program ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer


@contextmanager
def contestant(name: str, python: Path) -> Iterator[Contestant]:
    """Run a peer's program in its environment."""
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "race.contestants", PROGRAMS[name]]
    env = {k: v for k, v in os.environ.items() if not k.startswith("SIGHTLINE_")} | {"PYTHONPATH": str(ROOT / "bench")}
    with (CACHE / f"{PROGRAMS[name]}.log").open("w") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=env,
            start_new_session=True,
        )
        try:
            yield Contestant(process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with what it started
            process.communicate()
