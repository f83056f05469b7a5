"""``sightline models``, and profiles at the start of other commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from sightline import profiles
from sightline.cli import app
from sightline.core import registry
from sightline.core.errors import ConfigError, ModelError
from sightline.inference.kept_models import KeptModels
from sightline.settings.settings import load_settings
from sightline.zoo.catalogue import list_models
from sightline.zoo.store import Cache
from support.made_hub import MadeHub, made_hub
from support.made_profile import TENSORS, of_the_hub

WITHOUT_TORCH = "torch" not in registry.names("engines") or registry.load("engines", "torch").available() is not None


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MadeHub]:
    """A hub with the files of ``accurate``, for whose weights the card names no hash."""
    with made_hub() as hub:
        of_the_hub(hub)
        monkeypatch.setenv("SIGHTLINE_HUB", hub.url)
        monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
        yield hub


def sightline(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_every_model_is_in_the_table_with_its_licence_and_state() -> None:
    result = sightline("models")
    assert result.exit_code == 0
    head, *rows = result.output.splitlines()
    assert head.split()[:7] == ["name", "task", "family", "input", "size", "licence", "state"]
    for card in list_models():
        row = next(line for line in rows if line.split()[:1] == [card.name])
        for value in (card.task, card.family, card.licence, card.description):
            assert value in row
    states = {row.split()[0]: row for row in rows if row}
    assert " ready " in states["nano"]
    assert "needs download of 44.4 MB" in states["fast"]
    assert "needs download of 190.0 MB, restricted licence" in states["accurate"]


def test_models_that_were_sent_to_the_server_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_DATA", str(tmp_path / "data"))
    (tmp_path / "sent.onnx").write_bytes(b"a graph")
    card = next(card for card in list_models() if card.name == "nano")
    KeptModels(load_settings()).keep("mine", tmp_path / "sent.onnx", card, None)
    kept = tmp_path / "data" / "models" / "mine.onnx"
    (row,) = (line for line in sightline("models", "list").output.splitlines() if line.startswith("mine "))
    assert " ready " in row
    assert json.loads(sightline("models", "--json").output)[-1]["path"] == str(kept)
    told = sightline("models", "show", "mine").output
    assert str(kept) in told
    assert "sent to this server" in told
    assert "mine" in str(sightline("models", "show", "none").exception), "it is among those that are expected"


def test_as_json_it_is_all_that_is_known() -> None:
    told = json.loads(sightline("models", "--json").output)
    assert [one["name"] for one in told] == [card.name for card in list_models()]
    assert json.loads(sightline("models", "list", "--json").output) == told
    assert all(one["labels"] and one["state"] for one in told)


@pytest.mark.parametrize("name", [card.name for card in list_models()])
def test_a_card_is_shown(name: str) -> None:
    result = sightline("models", "show", name)
    assert result.exit_code == 0
    assert result.output.startswith(f"name         {name}\n")
    if name in profiles.names():
        profile = profiles.load(name)
        for words in (profile.licence, profile.licence_url, profile.restricts_use, profile.revision):
            assert words in result.output
        for file in profile.files:
            assert file.name in result.output
            assert file.sha256 in result.output
    told = json.loads(sightline("models", "show", name, "--json").output)
    assert (told["name"], len(told["labels"]) > 0) == (name, True)


def test_a_model_that_is_not_there_is_told_the_others() -> None:
    result = sightline("models", "show", "fasst")
    assert isinstance(result.exception, ConfigError)
    assert "expected one of motion, nano, person, fast" in result.exception.message
    for command in ("pull", "show"):
        assert isinstance(sightline("models", command, "../fast").exception, ConfigError)


def test_pull_shows_the_licence_before_anything_comes(hub: MadeHub, tmp_path: Path) -> None:
    result = sightline("models", "pull", "accurate", "nano")
    assert result.exit_code == 0
    said = result.output
    assert said.index("Restricted: Its weights may be used for research") < said.index("Getting 190.0 MB into")
    assert "nano comes with Sightline: there is nothing to get" in said
    assert Cache(tmp_path / "cache").check(profiles.load("accurate")).read_bytes() == TENSORS
    asked = len(hub.asked)
    assert "accurate is here" in sightline("models", "pull", "accurate").output
    assert len(hub.asked) == asked
    state = "needs an export, or torch" if WITHOUT_TORCH else "ready"
    assert f"state        {state}, restricted licence" in sightline("models", "show", "accurate").output


def test_pull_says_how_far_it_came(hub: MadeHub) -> None:
    hub.statuses = [403]
    result = sightline("models", "pull", "accurate")
    assert isinstance(result.exception, ModelError)
    assert "the server answers 403" in result.exception.message
    assert "models import FOLDER" in result.exception.message


def test_import_takes_what_another_machine_pulled(
    hub: MadeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sightline("models", "pull", "accurate").exit_code == 0
    folder = Cache(tmp_path / "cache").folder(profiles.load("accurate"))
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "other"))
    monkeypatch.setenv("SIGHTLINE_HUB", "http://127.0.0.1:9")  # nobody is there
    result = sightline("models", "import", folder)
    assert result.exit_code == 0
    assert "accurate: pytorch_model.bin (0.3 MB)\n" in result.output
    assert Cache(tmp_path / "other").missing(profiles.load("accurate")) == []
    (folder / "pulled.json").unlink()
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "third"))
    assert isinstance(sightline("models", "import", folder).exception, ConfigError)
    result = sightline("models", "import", folder, "--profile", "accurate")
    assert "accurate: pytorch_model.bin (0.3 MB), on your word\n" in result.output


def test_the_first_start_with_a_profile_gets_it(hub: MadeHub, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    result = sightline("run", picture, "--profile", "accurate", "--engine", "onnx")
    assert isinstance(result.exception, ConfigError)
    assert "sightline models export accurate" in result.exception.message
    if WITHOUT_TORCH:  # then nothing comes that would be of no use
        assert hub.asked == []
    else:
        assert Cache(tmp_path / "cache").missing(profiles.load("accurate")) == []


def test_nothing_comes_where_an_export_is(hub: MadeHub, tmp_path: Path) -> None:
    graph = Cache(tmp_path / "cache").export(profiles.load("accurate"))
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"not a graph")
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    result = sightline("run", picture, "--profile", "accurate")
    assert isinstance(result.exception, ModelError)
    assert str(graph) in result.exception.message
    assert hub.asked == []


def test_weights_of_ones_own_are_not_exported_into_the_cache(hub: MadeHub, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    file.write_bytes(TENSORS)
    for given, out, why in (
        (file, (), "add --out"),
        (tmp_path / "gone.pth", ("--out", tmp_path / "x"), "no such file"),
    ):
        result = sightline("models", "export", "fast", "--weights", given, *out)
        assert isinstance(result.exception, ConfigError)
        assert why in result.exception.message
    assert hub.asked == []


def test_what_comes_with_sightline_is_onnx_already() -> None:
    result = sightline("models", "export", "nano")
    assert result.exit_code == 0
    assert "nano is an ONNX file already" in result.output


def test_model_alone_is_a_profiles_name_too(hub: MadeHub, tmp_path: Path) -> None:
    hub.statuses = [404]
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    result = sightline("run", picture, "--model", "detect-instance")
    words = "export" if WITHOUT_TORCH else "the server answers 404"
    assert isinstance(result.exception, ConfigError if WITHOUT_TORCH else ModelError)
    assert words in result.exception.message


@pytest.mark.parametrize("command", ["serve", "run"])
def test_model_and_profile_exclude_each_other(command: str, tmp_path: Path) -> None:
    words = [tmp_path / "x.png"] if command == "run" else []
    result = sightline(command, *words, "--profile", "fast", "--model", "motion")
    assert isinstance(result.exception, ConfigError)
    assert "model motion and profile fast" in result.exception.message
