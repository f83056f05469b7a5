"""Imports go down only, heavy libraries stay inside their plugins, and importing Sightline changes nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "sightline"

LAYER = {
    "core": 0,
    **dict.fromkeys(("wire", "media", "profiles", "weights"), 1),
    **dict.fromkeys(("models", "renderers", "sources", "analytics", "settings", "client"), 2),
    **dict.fromkeys(("engines", "sinks", "security", "discovery"), 3),
    **dict.fromkeys(("zoo", "notifications"), 4),
    **dict.fromkeys(("events", "inference", "recordings", "train"), 5),
    **dict.fromkeys(("streams", "offline"), 6),
    **dict.fromkeys(("transports", "outputs"), 7),
    **dict.fromkeys(("server", "stress"), 8),
    "cli": 9,
}
"""A folder imports only folders with a lower number."""
PLUGINS = ("analytics", "engines", "models", "renderers", "sources", "sinks", "transports", "outputs")
"""Files in these don't see each other, save what they share: ``base.py`` and files with a ``_``."""
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
HEAVY_IN = ("engines", "models", "recordings", "sources", "sinks", "transports", "train")
"""Folders whose files may import heavy libraries."""


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


def name_of(file: Path) -> str:
    """``sightline.core.types``; a package's own name for its ``__init__.py``."""
    parts = ("sightline", *file.relative_to(SOURCE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(file): file for file in modules()}


def imports(file: Path) -> set[str]:
    """Our own modules that a file imports, wherever in it."""
    found = set()
    for name in imported(ast.parse(file.read_text("utf-8"))):
        while name and name not in MODULES:
            name = name.rpartition(".")[0]
        if name not in ("", "sightline", name_of(file)):
            found.add(name)
    # ``from a.b import c`` names a.b as well as a.b.c: the package itself counts only where nothing in it is meant.
    return {one for one in found if not any(other.startswith(one + ".") for other in found)}


def folder(name: str) -> str:
    """``core`` for ``sightline.core.types``."""
    return name.split(".")[1]


def refused(name: str, target: str) -> str | None:
    """Why one module may not import another, or None."""
    mine, theirs = folder(name), folder(target)
    if mine != theirs:
        return None if LAYER[theirs] < LAYER[mine] else f"{mine} ({LAYER[mine]}) imports {theirs} ({LAYER[theirs]})"
    own, other = name.split(".")[2:3], target.split(".")[2:3]
    if mine not in PLUGINS or own == other or not own or not other:
        return None
    return None if other == ["base"] or other[0].startswith("_") else f"plugin {own[0]} imports plugin {other[0]}"


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups that reach themselves: what is left when all that import nothing more are taken away, from both ends."""
    left = {one: set(others) for one, others in graph.items()}
    while True:
        imported_by = set().union(*left.values()) if left else set()
        ends = {one for one, others in left.items() if not others & left.keys() or one not in imported_by}
        if not ends:
            return [sorted(left)] if left else []
        left = {one: others - ends for one, others in left.items() if one not in ends}


GRAPH = {name: imports(file) for name, file in MODULES.items() if name != "sightline"}


def test_the_root_holds_folders_only() -> None:
    flat = {file.name for file in SOURCE.iterdir() if file.is_file()}
    assert flat == {"__init__.py", "__main__.py", "py.typed"}


def test_every_folder_has_a_layer() -> None:
    assert {folder(name) for name in GRAPH if name != "sightline.__main__"} == LAYER.keys() - {"weights"}


def test_the_docs_tell_the_layers() -> None:
    text = (SOURCE.parents[1] / "docs" / "architecture.md").read_text("utf-8")
    told = re.findall(r"^  (\w+)/ +(\d)  \S", text, re.M)
    assert {name: int(number) for name, number in told} == LAYER
    assert told == sorted(told, key=lambda line: line[1])


@pytest.mark.parametrize("name", [name for name in GRAPH if name != "sightline.__main__"])
def test_imports_go_down_only(name: str) -> None:
    assert not [why for target in GRAPH[name] if (why := refused(name, target)) is not None]


def test_no_files_and_no_folders_form_a_circle() -> None:
    # A package that imports its own files so that they register or can be had from it is no circle.
    files = {name: {one for one in targets if not one.startswith(name + ".")} for name, targets in GRAPH.items()}
    assert circles(files) == []
    folders: dict[str, set[str]] = {}
    for name, targets in GRAPH.items():
        if name != "sightline.__main__":
            folders.setdefault(folder(name), set()).update(folder(t) for t in targets if folder(t) != folder(name))
    assert circles(folders) == []


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(SOURCE)))
def test_heavy_libraries_stay_inside_their_plugins(file: Path) -> None:
    if file.relative_to(SOURCE).parts[0] in HEAVY_IN and file.name not in ("__init__.py", "base.py"):
        return
    tree = ast.parse(file.read_text("utf-8"))
    assert not {name.split(".")[0] for name in imported(tree, top_level_only=True)} & HEAVY


def test_the_environment_is_read_in_one_place() -> None:
    reading = {
        str(f.relative_to(SOURCE)) for f in modules() if re.search(r"\bos\.(environ|getenv)", f.read_text("utf-8"))
    }
    told = {str(Path(name)) for name in ("cli/__init__.py", "cli/window.py", "engines/onnx.py")}  # they tell libraries
    assert reading - told == {
        str(Path("settings", name)) for name in ("settings.py", "environment.py", "own_folder.py")
    }


def test_a_public_class_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for name, file in MODULES.items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_rules_would_notice() -> None:
    yolox = "sightline.models.yolox"
    assert refused(yolox, "sightline.streams.hub")
    assert refused(yolox, "sightline.engines.base")
    assert refused(yolox, "sightline.models.motion")
    assert refused(yolox, "sightline.sources.base")
    assert refused(yolox, "sightline.media.codecs") is None
    assert refused(yolox, "sightline.models.base") is None
    assert refused(yolox, "sightline.models._boxes") is None
    assert refused("sightline.streams.hub", "sightline.transports.websocket")
    assert refused("sightline.streams.hub", "sightline.streams.stream") is None
    assert refused("sightline.client.tcp", "sightline.zoo.loader")
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set(), "c": {"a", "b"}}) == []


def test_a_server_starts_processes_by_one_module() -> None:
    found = {
        file.relative_to(SOURCE).as_posix() for file in modules() if "create_subprocess_" in file.read_text("utf-8")
    }
    assert found == {"core/processes.py", "stress/child.py", "stress/server.py"}  # the stress test has no uvloop


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
