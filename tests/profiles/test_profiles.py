"""The cards: complete, honest and safe."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath, PureWindowsPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline import profiles
from sightline.core import registry
from sightline.core.errors import ConfigError
from sightline.models._data_sets import ADE, VOC
from sightline.models._labels import COCO
from sightline.profiles import SAFE, File, Profile

CLASSES = {21: VOC, 80: COCO, 150: ADE}
WITHOUT_HASH = {"accurate", "detect-instance"}
"""Profiles of which nobody could tell the weights' sha256: the hub's own word counts when they are pulled."""


def test_the_promised_profiles_are_there() -> None:
    assert profiles.names() == (
        *("fast", "balanced", "accurate", "sota"),
        *("detect", "detect-plus", "detect-instance"),
    )
    assert "nano" in profiles.shipped()


@pytest.mark.parametrize("name", profiles.names())
def test_every_card_is_complete(name: str) -> None:
    profile = profiles.load(name)
    assert profile.name == name
    assert profile.labels == CLASSES[len(profile.labels)]
    assert profile.family in registry.names("models")
    assert re.fullmatch(r"onnx|(torchvision|transformers)\.\w+", profile.architecture)
    for address in (profile.licence_url, profile.source, profile.accuracy.source, *map(profile.address, profile.files)):
        assert address.startswith("https://")
    assert 0 < profile.accuracy.value < 100
    assert all(side % 8 == 0 and 64 <= side <= 2048 for side in profile.input_size)
    assert profile.bytes > 1_000_000
    assert bool(profile.restricts_use) == ("NVIDIA" in profile.licence)


@pytest.mark.parametrize("name", profiles.names())
def test_a_card_claims_no_more_than_is_known(name: str) -> None:
    profile = profiles.load(name)
    assert (len(profile.weights.sha256) == 64) == (name not in WITHOUT_HASH)
    for file in profile.files:
        assert file.sha256 or file.git_sha1 or not file.url
    digits = re.search(r"-([0-9a-f]{8})\.pth$", profile.weights.name)  # torchvision's names end so
    assert digits is None or profile.weights.sha256.startswith(digits[1])


@pytest.mark.parametrize("name", profiles.names())
def test_the_words_for_families_and_exports(name: str) -> None:
    profile = profiles.load(name)
    words = profile.metadata()
    assert json.loads(words["names"]) == list(profile.labels)
    assert json.loads(words["imgsz"]) == [profile.input_size[1], profile.input_size[0]]
    assert words["family"] == profile.family
    assert words.get("layout") == ("chw" if profile.family == "semantic" else None)
    assert float(words["scale"]) == profile.scale
    assert all(isinstance(text, str) for text in words.values())


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"profile 'fasst': expected one of fast, balanced"):
        profiles.load("fasst")
    with pytest.raises(ConfigError):
        profiles.load("../weights/nano")


def changed(**changes: object) -> Profile:
    """A real card with changes, read as a card is."""
    card = msgspec.to_builtins(profiles.load("sota")) | changes
    return msgspec.json.decode(msgspec.json.encode(card), type=Profile)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../sota"},
        {"name": ""},
        {"repository": "../../etc"},
        {"repository": "a/b/c"},
        {"repository": "a/b?x=1"},
        {"repository": ""},
        {"revision": "main"},
        {"revision": "../main"},
        {"files": []},
        {"files": [{"name": "config.json"}]},
        {"files": [{"name": "a.pth"}, {"name": "b.pth"}]},
        {"files": [{"name": "a.pkl"}]},
        {"files": [{"name": "a.pth", "url": "https://x.example/a.pth"}]},
        {"files": [{"name": "a.pth", "sha256": "ABCDEF0123"}]},
        {"files": [{"name": "a.pth", "sha256": "abc"}]},
        {"labels": 3},
        {"unheard": 1},
    ],
)
def test_a_wrong_card_is_refused(changes: dict[str, object]) -> None:
    changed()
    with pytest.raises(msgspec.ValidationError):
        changed(**changes)


@given(st.one_of(st.text(), st.from_regex(r"[./\\:\w]{1,20}\.(pth|json|onnx)", fullmatch=True)))
def test_no_name_of_a_file_leads_out_of_its_folder(name: str) -> None:
    try:
        file = msgspec.json.decode(msgspec.json.encode({"name": name}), type=File)
    except msgspec.ValidationError:
        return
    assert file.name.lower().endswith(SAFE)
    for kind in (Path, PurePosixPath, PureWindowsPath):
        assert kind(file.name).name == file.name
        assert not kind(file.name).drive
