"""Checks of ``sightline doctor``. Each check is a function that imports what it needs."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal

import msgspec

from sightline.cli.pip_command import exactly
from sightline.core.errors import SightlineError
from sightline.core.registry import load, names
from sightline.core.version import __version__
from sightline.engines.base import unavailable
from sightline.outputs._service import check_outputs
from sightline.settings.settings import Settings, load_settings
from sightline.zoo import loader
from sightline.zoo.options import options_of

PYTHONS = ((3, 11), (3, 13))
LITTLE_MEMORY = 1 << 30
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
SHOWN = ("numpy", "fastapi", "uvicorn", "websockets", "msgspec", "onnxruntime", "onnxruntime-gpu", "openvino")


class Finding(msgspec.Struct, frozen=True):
    """Outcome of one check."""

    what: str
    state: Literal["ok", "note", "problem"]
    detail: str
    mend: str = ""
    """Command or step that fixes it."""
    stops_serve: bool = False


def examine() -> Iterator[Finding]:
    """Run all checks, in the order in which a person would ask. A check that breaks becomes a finding too."""
    for check in CHECKS:
        try:
            yield from check()
        except Exception as e:  # noqa: BLE001 - the doctor must finish the examination
            yield Finding(check.__name__.strip("_"), "problem", f"the check failed: {type(e).__name__}: {e}")


def _python() -> Iterator[Finding]:
    version = sys.version_info[:2]
    said = f"{platform.python_version()} on {platform.platform()}"
    if PYTHONS[0] <= version <= PYTHONS[1]:
        yield Finding("Python", "ok", said)
    else:
        yield Finding("Python", "note", f"{said}; tested with 3.11 to 3.13")


def _machine() -> Iterator[Finding]:
    import psutil

    from sightline.engines.base import cores

    memory = psutil.virtual_memory()
    said = f"{cores()} cores, {memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GB memory free"
    low = memory.available < LITTLE_MEMORY
    yield Finding("machine", "note" if low else "ok", said, "close other programs" if low else "")


def _packages() -> Iterator[Finding]:
    there = _installed()
    shown = ", ".join(f"{name} {there[name]}" for name in SHOWN if name in there)
    yield Finding("packages", "ok", f"sightline {__version__}, {shown}")
    both = [name for name in RUNTIMES if name in there]
    if len(both) > 1:
        mend = f"{_pip('uninstall', *both)} && {_pip('install', 'onnxruntime-gpu[cuda,cudnn]')}"
        yield Finding("ONNX Runtime", "problem", f"{' and '.join(both)} overwrite each other's files", mend)


def _opencv() -> Iterator[Finding]:
    there = [name for name in OPENCV if name in _installed()]
    reinstall = f"{_pip('uninstall', *there)} && {_pip('install', OPENCV[0])}" if there else _pip("install", OPENCV[0])
    broken = _import_error("cv2")
    if broken:
        yield Finding("OpenCV", "problem", f"it can't be imported: {broken}", reinstall, stops_serve=True)
        return
    import cv2

    owners = ", ".join(f"{name} {_installed()[name]}" for name in there) or "no distribution"
    live = f"cv2 {cv2.__version__} in {Path(cv2.__file__).parent}, from {owners}"
    if len(there) > 1:
        yield Finding("OpenCV", "problem", f"{live}: they overwrite each other's files", reinstall)
    else:
        yield Finding("OpenCV", "ok", live)


def _video() -> Iterator[Finding]:
    reinstall = _pip("install", "--force-reinstall", "av")
    broken = _import_error("av")
    if broken:
        yield Finding("video", "problem", f"PyAV can't be imported: {broken}", reinstall)
        return
    if _import_error("cv2"):  # reported already
        return
    import av

    from sightline.sinks.video import ENCODERS

    encoder = next((name for name, _ in ENCODERS if name in av.codecs_available), None)
    said = f"PyAV {av.__version__}, FFmpeg {av.ffmpeg_version_info}"
    if encoder is None or encoder == ENCODERS[-1][0]:
        yield Finding("video", "note", f"{said}: no H.264 encoder, browsers will not play --save", reinstall)
    else:
        yield Finding("video", "ok", f"{said}, H.264 by {encoder}")


def _engines() -> Iterator[Finding]:
    for name in names("engines"):
        missing = unavailable(name)
        if missing is None:
            engine = load("engines", name)
            missing = engine.lacking() if hasattr(engine, "lacking") else None
        if missing is None:
            said = "; ".join(f"{device} in {', '.join(engine.precisions(device))}" for device in engine.devices())
            yield Finding(f"engine {name}", "ok", f"works on {said}")
        else:
            yield Finding(f"engine {name}", "note", missing, _command_in(missing))


def _gpu() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidia0").exists():
        yield Finding("graphics card", "ok", "no NVIDIA card seen: models run on the processor")
        return
    missing = unavailable("onnx", "cuda:0")
    if missing is None:
        yield Finding("graphics card", "ok", "an NVIDIA card is here and ONNX Runtime can use it: --device cuda:0")
    else:
        yield Finding("graphics card", "note", f"an NVIDIA card is here but unused: {missing}", _command_in(missing))


def _event_loop() -> Iterator[Finding]:
    if sys.platform == "win32":
        yield Finding("event loop", "ok", "asyncio; uvloop does not exist for Windows")
    elif importlib.util.find_spec("uvloop") is None:
        yield Finding("event loop", "note", "asyncio; uvloop is faster", _pip("install", "uvloop"))
    else:
        yield Finding("event loop", "ok", f"uvloop {_installed().get('uvloop', '')}")


def _settings() -> Iterator[Finding]:
    settings, wrong = _load_settings()
    if wrong:
        yield Finding("settings", "problem", wrong, "correct that setting", stops_serve=True)
        return
    try:
        check_outputs(settings.outputs)
    except SightlineError as e:
        yield Finding("settings", "problem", e.message, "correct that output", stops_serve=True)
        return
    changed = [name for name in Settings.model_fields if getattr(settings, name) != Settings.model_fields[name].default]
    yield Finding("settings", "ok", f"not the default: {', '.join(changed)}" if changed else "all default")


def _port() -> Iterator[Finding]:
    settings, _ = _load_settings()
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((settings.host, settings.port))
        except OSError as e:
            said = f"{settings.host}:{settings.port} can't be used: {e.strerror}"
            mend = f"sightline serve --port {settings.port + 1}"
            yield Finding("port", "problem", said, mend, stops_serve=True)
            return
    yield Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _model() -> Iterator[Finding]:
    settings, wrong = _load_settings()
    if wrong or _import_error("cv2"):  # reported already
        return
    import numpy as np

    began = time.perf_counter()
    try:
        model = loader.load_model(settings.model, options_of(settings), compiled=False)
    except SightlineError as e:
        yield Finding("model", "problem", e.message, "sightline serve --model motion", stops_serve=True)
        return
    loaded = time.perf_counter()
    picture = np.full((360, 640, 3), 114, np.uint8)
    times = []
    for _ in range(5):
        at = time.perf_counter()
        model.predict([picture], streams=["doctor"])
        times.append(time.perf_counter() - at)
    engine = why = ""
    if model.engine is not None:
        engine = f" with {model.engine.name} on {model.engine.device} in {model.engine.precision}"
        why = f"; this engine: {model.engine_reason}"
    model.close()
    said = f"{model.card.name}{engine}: loaded in {loaded - began:.1f} s, {min(times) * 1000:.1f} ms for 640x360{why}"
    yield Finding("model", "ok", said)


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _machine,
    _packages,
    _opencv,
    _video,
    _engines,
    _gpu,
    _event_loop,
    _settings,
    _port,
    _model,
)


def _import_error(module: str) -> str:
    """Reason why a module can't be imported; empty if it can."""
    try:
        importlib.import_module(module)
    except ImportError as e:
        return str(e)
    return ""


def _installed() -> dict[str, str]:
    return {d.name.lower().replace("_", "-"): d.version for d in distributions()}


def _load_settings() -> tuple[Settings, str]:
    """The settings, or the defaults and the error."""
    try:
        return load_settings(), ""
    except SightlineError as e:
        return Settings.model_construct(), e.message


def _pip(action: str, *what: str) -> str:
    quoted = [f"'{word}'" if "[" in word else word for word in what]
    return exactly(" ".join(["pip", action, *(["-y"] if action == "uninstall" else []), *quoted]))


def _command_in(reason: str) -> str:
    return exactly(reason.partition("run: ")[2])
