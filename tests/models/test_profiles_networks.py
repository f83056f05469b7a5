"""The networks of the profiles, small and with random weights: got from a hub, loaded, exported, run by every engine.

Each must say what the library that it comes from says itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")
pytest.importorskip("transformers")

from sightline.cli.agreement import ALL, disagreement
from sightline.cli.export import export_profile
from sightline.core.errors import ConfigError, ModelError
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.registry import load
from sightline.core.types import Image
from sightline.models.base import Model, Options
from sightline.profiles import Profile
from sightline.zoo.loader import load_model
from sightline.zoo.store import Cache
from sightline.zoo.store.pull import pull
from support import networks
from support.made_hub import made_hub

pytestmark = pytest.mark.timeout(300)  # tracing is slow where other work has the cores
SEMANTIC = ("deeplab", "segformer", "mask2former")
DETECTORS = ("rtdetr", "dfine", "rfdetr")
SHOWN = 4


@dataclass(frozen=True)
class Pulled:
    """A network and its profile, whose files are in the cache."""

    name: str
    net: Any
    profile: Profile
    cache: Cache

    @property
    def side(self) -> int:
        """Of its input."""
        return networks.SIDES[self.name]

    def load(self, **options: Any) -> Model:
        """By name of its profile, as a server does."""
        return load_model(self.profile, cache=self.cache.root, threads=1, **options)

    def export(self, **options: Any) -> Path:
        """Into the cache."""
        return export_profile(self.profile, self.cache, threads=1, **options)


@pytest.fixture(scope="module")
def get(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pulled]:
    """Makes a network and gets it from a hub, each once."""
    made: dict[str, Pulled] = {}

    def get(name: str) -> Pulled:
        if name not in made:
            root = tmp_path_factory.mktemp(name)
            net = networks.NETWORKS[name]()
            weights = networks.publish(net, root / "published")
            profile = networks.profile_of(name, weights.parent)
            cache = Cache(root / "cache")
            with made_hub() as hub:
                hub.files = {f"made/{name}/{file.name}": file.read_bytes() for file in weights.parent.iterdir()}
                pull(profile, cache, hub=hub.url)
            made[name] = Pulled(name, net, profile, cache)
        return made[name]

    return get


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Loading and exporting call nobody but this machine."""
    import socket

    real = socket.socket.connect

    def connect(self: Any, address: Any) -> Any:
        assert not isinstance(address, tuple) or address[0] in ("127.0.0.1", "::1"), f"somebody calls {address}"
        return real(self, address)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        yield


def scenes(width: int, height: int) -> list[Image]:
    """Pictures in which the networks see different things."""
    return [networks.picture(width, height, seed) for seed in range(SHOWN)]


def own_answer(pulled: Pulled, image: Image) -> Any:
    """What the library's network says of a picture, with its classes' own post-processing still to come."""
    import torch

    side = pulled.side
    if image.shape[:2] != (side, side):
        image = np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)
    pixels = torch.from_numpy(image[..., ::-1].astype(np.float32) / 255)
    pixels = (pixels - torch.tensor(pulled.profile.mean)) / torch.tensor(pulled.profile.std)
    with torch.no_grad():
        return pulled.net(pixels.permute(2, 0, 1)[None])


def own_map(pulled: Pulled, image: Image) -> NDArray[Any]:
    """The library's class map of a picture, at the picture's size."""
    import transformers

    made, size = own_answer(pulled, image), image.shape[:2]
    if pulled.name == "deeplab":
        assert size == (pulled.side, pulled.side)
        found: NDArray[Any] = made["out"][0].argmax(0).numpy()
        return found
    processors = {"segformer": "SegformerImageProcessor", "mask2former": "Mask2FormerImageProcessor"}
    processor = getattr(transformers, processors[pulled.name])()
    (said,) = processor.post_process_semantic_segmentation(made, target_sizes=[size])
    return np.asarray(said)


def own_boxes(pulled: Pulled, image: Image, confidence: float) -> Detections:
    """The library's boxes in a picture."""
    import torch
    import transformers

    kind = "RfDetrImageProcessor" if pulled.name == "rfdetr" else "RTDetrImageProcessor"
    processor = getattr(transformers, kind)()
    sizes = torch.tensor([image.shape[:2]])
    (said,) = processor.post_process_object_detection(
        own_answer(pulled, image), threshold=confidence, target_sizes=sizes
    )
    boxes = said["boxes"].numpy().clip(0, np.array([image.shape[1], image.shape[0]] * 2))
    solid = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(boxes[solid], said["scores"].numpy()[solid], said["labels"].numpy().astype(np.int32)[solid])


def answers(model: Model, images: list[Image]) -> list[Prediction]:
    """One prediction a picture."""
    return [model.predict([image], options=[ALL])[0] for image in images]


@pytest.mark.parametrize("name", SEMANTIC)
def test_a_class_map_is_the_librarys_own(get: Callable[[str], Pulled], name: str) -> None:
    pulled = get(name)
    model = pulled.load(engine="torch")
    images = scenes(pulled.side, pulled.side)
    wanted = [Segmentation(own_map(pulled, image).astype(np.uint8)) for image in images]
    seen, counts = np.unique(np.stack([one.class_map for one in wanted]), return_counts=True)
    assert (counts > counts.sum() / 100).sum() >= 3, f"only the classes {seen} are seen: too few to compare"
    assert disagreement(wanted, answers(model, images)) is None
    assert model.card.labels == pulled.profile.labels
    assert model.card.licence == "made up"
    model.close()


def test_a_class_map_of_another_shape_is_the_librarys_own(get: Callable[[str], Pulled]) -> None:
    pulled = get("segformer")
    model = pulled.load(engine="torch")
    images = scenes(320, 180)
    wanted: list[Prediction] = [Segmentation(own_map(pulled, image).astype(np.uint8)) for image in images]
    assert disagreement(wanted, answers(model, images)) is None
    model.close()


@pytest.mark.parametrize("name", DETECTORS)
def test_boxes_are_the_librarys_own(get: Callable[[str], Pulled], name: str) -> None:
    pulled = get(name)
    model = pulled.load(engine="torch")
    images = scenes(320, 180)
    wanted = [own_boxes(pulled, image, 0.05) for image in images]
    assert all(len(one) >= 5 for one in wanted)
    assert len(np.unique(np.concatenate([one.class_id for one in wanted]))) >= 2
    assert disagreement(wanted, answers(model, images)) is None
    model.close()


def test_masks_are_the_librarys_own(get: Callable[[str], Pulled]) -> None:
    import torch

    pulled = get("rfdetr")
    model = pulled.load(engine="torch")
    shown = 0
    for image in scenes(pulled.side, pulled.side):
        (found,) = model.predict([image], options=[Options(confidence=0.6)])
        assert isinstance(found, Detections)
        assert found.mask is not None
        made = own_answer(pulled, image)
        size = found.mask.shape
        masks = torch.nn.functional.interpolate(made.pred_masks, size=size, mode="bilinear")[0].numpy() > 0
        certain = made.logits[0].sigmoid().numpy()
        wanted = np.zeros(size, np.uint8)
        for row in reversed(range(len(found))):  # each in its box, the more certain over the others
            query = np.abs(certain[:, found.class_id[row]] - found.confidence[row]).argmin()
            (x1, y1), (x2, y2) = np.floor(found.xyxy[row, :2]).astype(int), np.ceil(found.xyxy[row, 2:]).astype(int)
            wanted[y1:y2, x1:x2][masks[query, y1:y2, x1:x2]] = row + 1
        shown += int(np.count_nonzero(wanted))
        assert (found.mask == wanted).mean() > 0.995
    assert shown > 100
    model.close()


@pytest.mark.parametrize("name", [*SEMANTIC, *DETECTORS])
def test_an_exported_graph_says_what_the_network_says(get: Callable[[str], Pulled], name: str) -> None:
    pulled = get(name)
    images = scenes(320, 180)
    reference = pulled.load(engine="torch")
    wanted = answers(reference, images)
    reference.close()
    path = pulled.export()
    assert path == pulled.cache.export(pulled.profile)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    for engine in ("onnx", "openvino"):
        if load("engines", engine).available() is not None:
            continue
        model = pulled.load(engine=engine, precision="fp32")
        assert model.engine is not None
        assert model.engine.name == engine
        assert model.engine.inputs["images"].shape[0] is None
        assert model.engine.metadata["license"] == "made up"
        assert disagreement(wanted, answers(model, images)) is None, engine
        feeds = model.tensor[:1].repeat(3, axis=0)  # type: ignore[attr-defined]
        assert all(len(value) == 3 for value in model.engine.run({"images": feeds}).values())
        model.close()


@pytest.mark.parametrize("name", ["deeplab", "segformer", "rtdetr", "dfine"])
def test_an_exported_graph_takes_other_sizes(get: Callable[[str], Pulled], name: str) -> None:
    pulled = get(name)
    if not pulled.cache.export(pulled.profile).is_file():
        pulled.export()
    images = scenes(320, 180)
    network, graph = (pulled.load(engine=engine, imgsz=192) for engine in ("torch", "onnx"))
    assert graph.input_size == network.input_size == (192, 192)
    assert disagreement(answers(network, images), answers(graph, images)) is None
    network.close()
    graph.close()


@pytest.mark.parametrize(("engine", "labelled"), [("torch", True), ("onnx", True), ("onnx", False)])
def test_every_size_that_may_be_asked_for_works(
    get: Callable[[str], Pulled], tmp_path: Path, engine: str, labelled: bool
) -> None:
    """Fault 22: 21 classes by 20 or 22 cells of stride 16 could be read two ways, also in exports without words."""
    pulled = get("deeplab")
    path = None
    if engine == "onnx":
        made = pulled.cache.export(pulled.profile)
        path = made if made.is_file() else pulled.export()
        onnx = pytest.importorskip("onnx")
        graph = onnx.load(path)
        assert {"layout", "names"} <= {entry.key for entry in graph.metadata_props}
        if not labelled:
            del graph.metadata_props[:]
            path = tmp_path / "bare.onnx"
            onnx.save(graph, path)
    for side in (160, 320, 352):
        model = load_model(pulled.profile, engine=engine, imgsz=side, threads=1, cache=pulled.cache.root, weights=path)
        (found,) = model.predict(scenes(320, 180)[:1])
        assert model.input_size == (side, side)
        assert isinstance(found, Segmentation)
        assert found.class_map.shape == (180, 320)
        model.close()
        if engine == "onnx" and labelled:
            alone = load_model(str(path), imgsz=side, threads=1)
            assert alone.card.labels == pulled.profile.labels
            alone.close()


def test_an_exported_graph_needs_no_torch(get: Callable[[str], Pulled], tmp_path: Path) -> None:
    """The export alone, in another cache, by its name."""
    pulled = get("segformer")
    other = Cache(tmp_path)
    target = other.export(pulled.profile)
    target.parent.mkdir(parents=True)
    made = pulled.cache.export(pulled.profile)
    target.write_bytes((made if made.is_file() else pulled.export()).read_bytes())
    model = load_model(pulled.profile, cache=other.root)
    assert model.engine is not None
    assert model.engine.name in ("onnx", "openvino")
    assert model.card.labels == networks.CLASSES
    with pytest.raises(ConfigError, match="sightline models pull"):
        load_model(pulled.profile, cache=tmp_path / "none")
    model.close()


@pytest.mark.parametrize("name", ["segformer", "mask2former"])
def test_halves(get: Callable[[str], Pulled], tmp_path: Path, name: str) -> None:
    pulled = get(name)
    path = pulled.export(precision="fp16", out=tmp_path / "halves.onnx")
    whole = pulled.cache.export(pulled.profile)
    assert path.stat().st_size < (whole if whole.is_file() else pulled.export()).stat().st_size
    assert not pulled.cache.export(pulled.profile, "fp16").exists()


def test_a_graph_that_says_something_else_is_not_kept(get: Callable[[str], Pulled], tmp_path: Path) -> None:
    """Logits of a million are too large for halves: they all become infinite."""
    from safetensors.torch import load_file, save_file

    pulled = get("segformer")
    folder = tmp_path / "loud"
    folder.mkdir()
    source = pulled.cache.folder(pulled.profile)
    tensors = load_file(source / "model.safetensors")
    for name in ("decode_head.classifier.weight", "decode_head.classifier.bias"):
        tensors[name] = tensors[name] * 1e6
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_bytes((source / "config.json").read_bytes())
    profile, cache = networks.profile_of("segformer", folder), Cache(tmp_path / "cache")
    with made_hub() as hub:
        hub.files = {f"made/segformer/{file.name}": file.read_bytes() for file in folder.iterdir()}
        pull(profile, cache, hub=hub.url)
    with pytest.raises(ModelError, match="does not say what the network says"):
        export_profile(profile, cache, "fp16", threads=1)
    assert list(cache.export(profile).parent.iterdir()) == []
    with pytest.raises(ConfigError, match="can't be made"):
        export_profile(profile, cache, out=folder / "config.json" / "graph.onnx")


def test_deeplab_on_resnet_50(tmp_path: Path) -> None:
    """The larger of torchvision's two, at a size that costs little."""
    net = networks.deeplab("deeplabv3_resnet50", classes=5, side=64)
    weights = networks.publish(net, tmp_path)
    profile = msgspec.structs.replace(
        networks.profile_of("deeplab", tmp_path),
        architecture="torchvision.deeplabv3_resnet50",
        labels=networks.CLASSES[:5],
    )
    pulled = Pulled("deeplab", net, profile, Cache(tmp_path / "none"))
    model = load_model(profile, engine="torch", weights=weights, threads=1)
    images = scenes(128, 128)[:1]
    wanted: list[Prediction] = [Segmentation(own_map(pulled, image).astype(np.uint8)) for image in images]
    assert disagreement(wanted, answers(model, images)) is None
    model.close()
