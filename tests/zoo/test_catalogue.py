"""What may be chosen by name here, and the file behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from sightline import profiles
from sightline.core import registry
from sightline.core.errors import ConfigError, ModelError
from sightline.inference.offers import Offers
from sightline.profiles import File, Profile
from sightline.settings.settings import Settings
from sightline.zoo.catalogue import find, graph_in, lacks, list_models
from sightline.zoo.loader import check_model, load_model
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull
from support.made_hub import made_hub
from support.made_profile import of_a_server, of_the_hub

YOLOX = {"output": np.zeros((84, 85), np.float32)}  # of a 64x64 input
WITHOUT_TORCH = "torch" not in registry.names("engines") or registry.load("engines", "torch").available() is not None


def test_all_models_with_a_name_are_listed() -> None:
    cards = list_models()
    assert [card.name for card in cards][-7:] == list(profiles.names())
    assert {"motion", "nano"} <= {card.name for card in cards}
    card = next(card for card in cards if card.name == "accurate")
    assert (len(card.labels), card.family, card.task, card.input_size) == (150, "semantic", "segment", (512, 512))


def test_a_profile_lacks_nothing_once_its_graph_is_here(tmp_path: Path) -> None:
    profile, cache = profiles.load("sota"), Cache(tmp_path)
    assert lacks(profile, cache)
    graph = cache.export(profile)
    graph.parent.mkdir(parents=True)
    graph.write_bytes(b"a graph")
    assert lacks(profile, cache) is None
    assert sorted(tmp_path.rglob("*.onnx")) == [graph]  # nothing came by asking


def test_what_lacks_is_said_with_the_command(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    said = lacks(profiles.load("detect"), cache)
    assert said == "profile detect: its weights are not here (35.9 MB); run: sightline models pull detect"
    for check in (check_model, load_model):
        with pytest.raises(ConfigError, match=r"profile detect: .* sightline models pull detect"):
            check("detect", cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not WITHOUT_TORCH, reason="torch is installed")
def test_without_torch_tensors_are_of_no_use(tmp_path: Path) -> None:
    with made_hub() as hub:
        pull(of_the_hub(hub), Cache(tmp_path), hub=hub.url, patience=())
    assert "torch" in (lacks(profiles.load("accurate"), Cache(tmp_path)) or "")
    with pytest.raises(ConfigError, match=r"torch.*sightline models export accurate.*models import FOLDER"):
        check_model("accurate", cache=tmp_path)


def graphed(make_graph: Callable[..., Path], tmp_path: Path) -> tuple[Profile, Cache]:
    """A detector's profile with a small graph as its weights, in a cache."""
    body, cache = make_graph(YOLOX).read_bytes(), Cache(tmp_path / "cache")
    with made_hub() as hub:
        hub.files["yolox_s.onnx"] = body
        file = File("yolox_s.onnx", f"{hub.url}/yolox_s.onnx", sha256=hashlib.sha256(body).hexdigest())
        profile = msgspec.structs.replace(profiles.load("detect"), files=(file,))
        pull(profile, cache, patience=())
    return profile, cache


def test_a_profile_is_loaded_from_the_cache_with_its_card(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    profile, cache = graphed(make_graph, tmp_path)
    assert lacks(profile, cache) is None
    check_model(profile, engine="onnx", cache=cache.root)
    model = load_model(profile, engine="onnx", cache=cache.root)
    card = model.card
    assert (card.name, card.licence, card.labels) == ("detect", "Apache-2.0", profile.labels)
    assert (card.input_size, card.path) == ((64, 64), str(cache.folder(profile) / "yolox_s.onnx"))
    assert len(model.predict([np.zeros((48, 64, 3), np.uint8)])[0]) == 0  # type: ignore[arg-type]
    model.close()
    with pytest.raises(ConfigError, match="a profile knows its own"):
        load_model(profile, family="yolox", cache=cache.root)


def test_a_damaged_file_is_not_loaded(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    profile, cache = graphed(make_graph, tmp_path)
    path = cache.folder(profile) / "yolox_s.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelError, match=r"is damaged: .* sightline models pull detect"):
        load_model(profile, engine="onnx", cache=cache.root)


def test_weights_of_ones_own_take_the_place_of_the_profiles(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    file = make_graph(YOLOX, name="mine.onnx")
    check_model("detect", engine="onnx", weights=file, cache=tmp_path)
    model = load_model("detect", engine="onnx", weights=file, cache=tmp_path / "none")
    assert (model.card.name, model.card.path) == ("detect", str(file))
    model.close()
    settings = Settings.model_validate({"profile": "detect", "weights": file, "cache": tmp_path / "none"})
    offers = Offers(settings)
    assert next(offer for offer in offers.all() if offer.name == "detect").reason == "", "it is the server's own"
    assert "onnx" in offers.engines_for("detect")
    for spec in ("motion", "nano", str(file)):
        with pytest.raises(ConfigError, match="weights"):
            check_model(spec, weights=file)
    for wrong, words in (("gone.onnx", "no such file"), ("x.pkl", "expected a file"), ("x.pth", r"an \.onnx file")):
        (tmp_path / "x.pkl").write_bytes(b"x")
        (tmp_path / "x.pth").write_bytes(b"x")
        with pytest.raises(ConfigError, match=words):
            check_model("detect", weights=tmp_path / wrong)


def test_an_export_is_taken_where_there_is_one(tmp_path: Path) -> None:
    cache, profile = Cache(tmp_path), profiles.load("balanced")
    assert graph_in(cache, profile) is None
    halves, whole = cache.export(profile, "fp16"), cache.export(profile)
    halves.parent.mkdir(parents=True)
    halves.write_bytes(b"halves")
    assert find("balanced", cache=tmp_path).graph == halves
    whole.write_bytes(b"whole")
    assert find("balanced", cache=tmp_path).graph == whole
    assert find("balanced", cache=tmp_path, halves_first=True).graph == halves


def test_the_tensors_are_found_beside_an_export(tmp_path: Path) -> None:
    with made_hub() as hub:
        profile = of_a_server(hub)
        pull(profile, Cache(tmp_path), patience=())
    found = find(profile, cache=tmp_path)
    assert (found.graph, found.tensors) == (None, Cache(tmp_path).folder(profile) / "made.pth")
    assert found.cached
