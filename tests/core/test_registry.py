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
from sightline.sources.base import find_source
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
    assert "motion" in catalogue.builtin_names()
    assert "yolox" in loader._families()
    assert "motion" in [card.name for card in loader.list_models()]
    assert "onnx" in Offers(load_settings(model="motion")).engines()
    assert "no luck" in (unavailable("bad") or "")
    assert loader.pick_engine("auto", "cpu")[0] in ("onnx", "openvino")


def test_an_unknown_plugin_names_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="no plugin 'x' in sinks: expected one of jsonl, masks"):
        registry.load("sinks", "x")
