"""Plugins from other packages, and broken ones among them: a broken plugin is named and harms no other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from sightline.core import registry
from sightline.core.errors import ConfigError, SourceError
from sightline.engines.base import unavailable
from sightline.inference.offers import Offers
from sightline.settings.settings import load_settings
from sightline.sources.base import find_source, open_source
from sightline.zoo import catalogue, loader

KINDS = get_args(registry.Kind)


def install(site: Path, **modules: str) -> None:
    """A distribution that offers each module, by its name, as a plugin of every kind."""
    package = site / "outside"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    info = site / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    offered = "".join(f"{name} = outside.{name}\n" for name in modules)
    (info / "entry_points.txt").write_text("".join(f"[sightline.{kind}]\n{offered}\n" for kind in KINDS))


def test_ctrl_c_while_a_plugin_is_imported_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counted as a fault of the plugin: the command went on, without that plugin."""
    install(tmp_path, slow="raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    try:
        with pytest.raises(KeyboardInterrupt):
            registry.plugins("sources")
        with pytest.raises(KeyboardInterrupt):
            unavailable("slow")
    finally:
        monkeypatch.undo()
        sys.modules.pop("outside", None)
        forget()


def forget() -> None:
    registry._found.cache_clear()
    registry._loaded.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "outside"]:
        del sys.modules[name]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two more plugins of each kind: ``bad`` can't be imported, ``hollow`` has nothing in it."""
    install(tmp_path, bad="raise RuntimeError('no luck today')\n", hollow="")
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_plugin_is_named_once_and_the_others_load(
    kind: registry.Kind, caplog: pytest.LogCaptureFixture
) -> None:
    assert {"bad", "hollow"} <= set(registry.names(kind))
    for _ in range(3):
        found = registry.plugins(kind)
    assert "bad" not in found
    assert set(registry.names(kind)) - set(found) <= {"bad", "hollow"}
    told = [record.getMessage() for record in caplog.records if "'bad'" in record.getMessage()]
    assert told == [f"plugin 'bad' in {kind} can't be used: RuntimeError: no luck today"]
    with pytest.raises(ConfigError, match=f"'bad' in {kind} can't be used: RuntimeError: no luck today"):
        registry.load(kind, "bad")


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("kind", registry.CONTRACTS)
def test_a_plugin_without_what_its_kind_must_have_is_broken(kind: registry.Kind) -> None:
    with pytest.raises(ConfigError, match=r"hollow.*it lacks"):
        registry.load(kind, "hollow")
    assert "hollow" not in registry.plugins(kind)


@pytest.mark.usefixtures("broken")
def test_whoever_goes_through_all_plugins_leaves_the_broken_ones_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    with pytest.raises(SourceError, match="no such file or folder; expected one of"):
        find_source("nothing.xyz")
    with pytest.raises(SourceError, match="no source is named; expected one of"):
        find_source("")
    assert "motion" in catalogue.builtin_names()
    assert "yolox" in loader._families()
    assert "motion" in [card.name for card in catalogue.list_models()]
    assert "onnx" in Offers(load_settings(model="motion")).engines()
    assert "no luck" in (unavailable("bad") or "")
    assert loader.pick_engine("auto", "cpu")[0] in ("onnx", "openvino")


def test_an_unknown_plugin_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="no plugin 'x' in sinks: expected one of jsonl, masks"):
        registry.load("sinks", "x")


MISTAKES = {
    "raises": 'WHAT = "trouble"\ndef handles(spec): raise KeyError(spec)\ndef open(spec): ...\n',
    "exits": "import sys\nsys.exit(3)\n",
    "wordless": "WHAT = None\ndef handles(spec): return True\ndef open(spec): ...\n",
    "flat": 'WHAT = "flat"\nhandles = True\ndef open(spec): ...\n',
    "unopened": 'WHAT = "unopened:"\ndef handles(spec): return spec[:2] == "u:"\ndef open(spec): return 1 / 0\n',
    "misnamed": 'WHAT = "misnamed"\ndef handle(spec): return True\ndef open(spec): ...\n',
}


@pytest.fixture
def mistaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plugins written after docs/extending.md, each with a mistake."""
    install(tmp_path, **MISTAKES)
    monkeypatch.syspath_prepend(str(tmp_path))
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.usefixtures("mistaken")
def test_one_source_s_mistake_is_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Fault 61: the other sources work, and a mistyped one is told what there is."""
    (tmp_path / "photos").mkdir()
    assert find_source(str(tmp_path / "photos")).__name__ == "sightline.sources.images"
    assert find_source("rtsp://camera.lan/1").__name__ == "sightline.sources.network"
    for _ in range(3):
        with pytest.raises(SourceError, match=r"cam:0: no such file or folder; expected one of: a camera \(camera:0\)"):
            find_source("cam:0")
    told = [record.getMessage() for record in caplog.records]
    assert sum("'raises' in sources is left out: its handles raised KeyError" in line for line in told) == 1
    for name in ("exits", "wordless", "flat", "misnamed"):
        assert sum(f"{name!r} in sources can't be used" in line for line in told) == 1, name
    with pytest.raises(SourceError, match="u:a can't be opened: ZeroDivisionError"):
        open_source("u:a")


@pytest.mark.usefixtures("mistaken")
def test_one_model_s_or_engine_s_mistake_is_its_own(tmp_path: Path) -> None:
    assert {"motion", "nano"} <= {card.name for card in catalogue.list_models()}
    assert unavailable("exits") == "plugin 'exits' in engines can't be used: SystemExit: 3"
