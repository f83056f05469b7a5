"""Imports go down only, heavy libraries stay inside their plugins, and importing Sightline changes nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "sightline"

LAYERS = {
    0: "errors frames guard mailbox palette presets private profiles protocol registry rows tokens types",
    1: "codecs describe engines models renderers sinks sources",
    2: "access adapting authority cache catalogue choices config controller drawing feed gate hub inferred intake "
    "loader metrics offers outward pool processing prometheus qr runner server still stream switching tls train tunnel "
    "worker",
    3: "pull transports",
    4: "__init__ __main__ inbrowser api stream_api model_api pages app cli signin stress",
}
"""By file or package. A new one gets its place here."""
LAYER = {name: layer for layer, listed in LAYERS.items() for name in listed.split()}
CLIENT = "client"
"""The SDK: may import layer 0 and codecs only; imported by layer 4 and by ``sightline`` itself, on demand."""
APART = (1, 3)
"""Layers in which nothing may import its neighbours, save what a package shares (base.py and files with a _)."""
HEAVY = {
    "onnxruntime",
    "openvino",
    "av",
    "torch",
    "torchvision",
    "transformers",
    "aiortc",
    "ray",
    "onnx",
    "ultralytics",
}
PLUGINS = ("engines", "models", "sources", "sinks", "transports", "train")


def modules() -> list[Path]:
    """All our Python files."""
    return sorted(SOURCE.rglob("*.py"))


def imported(tree: ast.Module, *, top_level_only: bool = False) -> Iterator[str]:
    """Dotted names that a file imports; for ``from a import b`` both a and a.b, as b may be a module."""
    inside = {
        id(node)
        for f in ast.walk(tree)
        if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(f)
    }
    for node in ast.walk(tree):
        if top_level_only and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def refused(file: Path, target: str) -> str | None:
    """Why a file may not import ``sightline.TARGET``, or None."""
    own = file.relative_to(SOURCE).with_suffix("").parts
    wanted = target.split(".")[1:]
    if wanted[0] == "__version__":
        return None
    for name in (own[0], wanted[0]):
        if name not in LAYER and name != CLIENT:
            return f"{name} has no layer: give it one in {Path(__file__).name}"
    if own[0] == CLIENT:
        fine = LAYER.get(wanted[0]) == 0 or wanted[0] in ("codecs", CLIENT)
        return None if fine else "the SDK imports layer 0 and codecs only"
    mine, theirs = LAYER[own[0]], LAYER.get(wanted[0], 4)
    if theirs < mine:
        return None
    if theirs > mine:
        return f"layer {mine} imports layer {theirs}"
    if mine not in APART or own[:2] == tuple(wanted[:2]):
        return None
    shared = own[0] == wanted[0] and len(wanted) > 1 and (wanted[1] == "base" or wanted[1].startswith("_"))
    return None if shared else f"layer {mine} imports its neighbour"


def test_every_file_has_a_layer() -> None:
    placed = {*LAYER, CLIENT}
    unplaced = {file.relative_to(SOURCE).with_suffix("").parts[0] for file in modules()} - placed
    assert not unplaced, f"give these a layer in {Path(__file__).name}"


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_imports_go_down_only(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"))
    ours = [name for name in imported(tree) if name.startswith("sightline.")]
    wrong = {name: why for name in ours if (why := refused(file, name)) is not None}
    assert not wrong


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_heavy_libraries_stay_inside_their_plugins(file: Path) -> None:
    if file.relative_to(SOURCE).parts[0] in PLUGINS and file.name not in ("__init__.py", "base.py"):
        return
    tree = ast.parse(file.read_text("utf-8"))
    assert not {name.split(".")[0] for name in imported(tree, top_level_only=True)} & HEAVY


def test_the_environment_is_read_in_one_place() -> None:
    reading = {
        str(f.relative_to(SOURCE)) for f in modules() if re.search(r"\bos\.(environ|getenv)", f.read_text("utf-8"))
    }
    told = {str(Path("cli/window.py")), str(Path("engines/onnx.py"))}  # they tell libraries to be quiet
    assert reading - told == {"config.py"}


def test_the_rule_would_notice() -> None:
    models, hub, client = SOURCE / "models" / "yolox.py", SOURCE / "hub.py", SOURCE / "client.py"
    assert refused(models, "sightline.streams.hub.Hub")
    assert refused(models, "sightline.engines.base.Engine")
    assert refused(models, "sightline.models.motion.Motion")
    assert refused(models, "sightline.media.codecs")
    assert refused(models, "sightline.models.base.Model") is None
    assert refused(models, "sightline.models._boxes.Letterbox") is None
    assert refused(hub, "sightline.transports.websocket")
    assert refused(hub, "sightline.streams.stream.Stream") is None
    assert refused(client, "sightline.zoo.loader")
    assert refused(client, "sightline.media.codecs.decode") is None
    assert refused(hub, "sightline.brand_new")


WATCH = """
import json, logging, os, signal, sys, threading
before = dict(os.environ), [signal.getsignal(s) for s in signal.valid_signals()]
import importlib
importlib.import_module(sys.argv[1])
after = dict(os.environ), [signal.getsignal(s) for s in signal.valid_signals()]
root = logging.getLogger()
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "changed": [what for what, a, b in zip(("environment", "signals"), before, after) if a != b],
    "handlers": len(root.handlers) + len(logging.getLogger("sightline").handlers),
    "level": root.level,
    "threads": threading.active_count(),
}))
"""


@pytest.mark.parametrize(
    "module", ["sightline", "sightline.zoo.loader", "sightline.wire.json", "sightline.core.registry"]
)
def test_importing_has_no_side_effects(module: str) -> None:
    done = subprocess.run([sys.executable, "-c", WATCH, module], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    seen = json.loads(done.stdout)
    assert not {*HEAVY, "cv2"} & set(seen["modules"])
    assert seen["changed"] == []
    assert seen["handlers"] == 0
    assert seen["level"] == 30  # logging's own default
    assert seen["threads"] == 1
