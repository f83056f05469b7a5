"""What every engine and every model has to do, whoever wrote it: parametrised over the registry."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.errors import BadImage, ConfigError, ModelError
from sightline.core.predictions import Detections, Prediction, Segmentation
from sightline.core.registry import load, names
from sightline.core.types import Engine, Image, TensorSpec
from sightline.models.base import Model, Options
from sightline.zoo.loader import load_model
from support import made_exports

MakeGraph = Callable[..., Path]
SIZE = 64
CELLS = 64 + 16 + 4  # of a 64x64 input: strides 8, 16, 32


ENGINES = [name for name in names("engines") if ".onnx" in getattr(load("engines", name), "READS", (".onnx",))]
"""Those that run graphs; ``torch`` builds networks."""


@pytest.fixture(params=ENGINES)
def module(request: pytest.FixtureRequest) -> Any:
    """Each engine's module, where it works."""
    module = load("engines", request.param)
    missing = module.available()
    if missing is not None:
        pytest.skip(missing)
    return module


# Engines


def test_an_engine_says_what_the_file_says(module: Any, make_graph: MakeGraph) -> None:
    values = {"first": np.ones((2, 3), np.float32), "second": np.zeros((4,), np.float32)}
    file = make_graph(values, size=(None, 96), batch=None, metadata={"names": "{0: 'a'}", "odd key/": "ä\n"})
    engine: Engine = module.open(file)
    assert engine.name == module.__name__.rpartition(".")[2]
    assert engine.device == "cpu"
    assert engine.device in module.devices()
    assert dict(engine.inputs) == {"images": TensorSpec("images", (None, 3, 96, None), "float32")}
    assert list(engine.outputs) == ["first", "second"]
    assert engine.outputs["first"].shape in ((None, 2, 3), (1, 2, 3))
    assert {"names": "{0: 'a'}", "odd key/": "ä\n"}.items() <= engine.metadata.items()
    engine.close()
    assert not module.open(make_graph(values, name="plain.onnx")).metadata


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_an_engine_runs(module: Any, make_graph: MakeGraph, dtype: str) -> None:
    value = np.arange(24, dtype=dtype).reshape(2, 3, 4)
    engine: Engine = module.open(make_graph({"y": value, "z": value[0]}, batch=None, dtype=dtype), threads=1)
    for batch in (1, 3, 1):
        images = np.ones((batch, 3, SIZE, SIZE), dtype)
        made = engine.run({"images": images})
        assert list(made) == ["y", "z"]
        np.testing.assert_array_equal(made["y"], np.repeat(value[None], batch, axis=0))
        np.testing.assert_array_equal(made["z"], np.repeat(value[None, 0], batch, axis=0))
        assert str(made["y"].dtype) == dtype
        assert (images == 1).all()


def test_an_engine_closes_twice_and_then_says_so(module: Any, make_graph: MakeGraph) -> None:
    engine: Engine = module.open(make_graph({"y": np.zeros(1, np.float32)}))
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="closed"):
        engine.run({"images": np.zeros((1, 3, SIZE, SIZE), np.float32)})


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"hello " * 100, b"\x08\x08\x12\x04test" + b"\xff" * 50])
def test_an_engine_refuses_what_is_no_graph(module: Any, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "odd.onnx"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"odd\.onnx.*expected an ONNX file"):
        module.open(file)
    with pytest.raises(ModelError, match="no such file"):
        module.open(tmp_path / "none.onnx")


def test_an_engine_refuses_a_file_cut_off(module: Any, make_graph: MakeGraph) -> None:
    file = make_graph({"y": np.zeros((40, 40), np.float32)})
    file.write_bytes(file.read_bytes()[:-700])
    with pytest.raises(ModelError, match="expected an ONNX file"):
        module.open(file)


def test_an_engine_refuses_a_device_it_does_not_have(module: Any, make_graph: MakeGraph) -> None:
    if "cuda:0" in module.devices():
        pytest.skip("there is a card")
    assert module.available("cuda:0")
    with pytest.raises(ConfigError, match="cuda:0"):
        module.open(make_graph({"y": np.zeros(1, np.float32)}), device="cuda:0")


@pytest.mark.parametrize("precision", ["auto", "fp32", "bf16", "fp16"])
def test_an_engine_computes_in_what_it_is_asked_for_or_says_that_it_can_not(
    module: Any, make_graph: MakeGraph, precision: str
) -> None:
    file = make_graph({"y": np.ones(4, np.float32)})
    if precision != "auto" and precision not in module.precisions():
        with pytest.raises(ConfigError, match=f"precision '{precision}': engine '.*' computes in fp32"):
            module.open(file, precision=precision)
        return
    engine: Engine = module.open(file, threads=1, precision=precision)
    assert engine.precision == precision or (precision == "auto" and engine.precision in module.precisions())
    np.testing.assert_array_equal(engine.run({"images": np.ones((1, 3, SIZE, SIZE), np.float32)})["y"], np.ones((1, 4)))


def test_an_engine_refuses_an_unknown_precision(module: Any, make_graph: MakeGraph) -> None:
    with pytest.raises(ConfigError, match="precision 'int4': expected one of auto, fp32, bf16, fp16"):
        module.open(make_graph({"y": np.zeros(1, np.float32)}), precision="int4")


def test_an_engine_is_the_same_out_of_its_cache(module: Any, make_graph: MakeGraph, tmp_path: Path) -> None:
    file = make_graph({"y": np.arange(3, dtype=np.float32)}, batch=None, metadata={"names": "['a']"})
    first, second = (module.open(file, threads=1, cache=tmp_path / "cache") for _ in range(2))
    assert (first.inputs, first.outputs, first.metadata) == (second.inputs, second.outputs, second.metadata)
    for engine in (first, second):
        made = engine.run({"images": np.ones((2, 3, SIZE, SIZE), np.float32)})
        np.testing.assert_array_equal(made["y"], [[0, 1, 2]] * 2)


# Models


def boxes(columns: int, rows: int) -> NDArray[np.float32]:
    """A few plausible rows, most near one another."""
    random = np.random.default_rng(5)
    found = random.uniform(0, 0.4, (rows, columns)).astype(np.float32)
    found[::9, 4:] = random.uniform(0.6, 1, found[::9, 4:].shape)
    return found


def yolox(make_graph: MakeGraph) -> str:
    return str(make_graph({"output": boxes(8, CELLS)}))


def ultralytics(make_graph: MakeGraph) -> str:
    output = boxes(7 + 32, CELLS)
    output[:, :4] *= 150
    metadata = {"names": "['a', 'b', 'c']", "stride": "32"}
    prototypes = np.random.default_rng(6).normal(0, 1, (32, 16, 16)).astype(np.float32)
    return str(make_graph({"output0": output.T.copy(), "output1": prototypes}, metadata=metadata))


def detector(make_graph: MakeGraph) -> str:
    output = boxes(7, CELLS)
    corners = np.concatenate([output[:, :2] * 50, output[:, :2] * 50 + output[:, 2:4] * 60], axis=1)
    return str(make_graph({"boxes": corners, "scores": output[:, 4:].T.copy()}, metadata={"sightline": "detect"}))


def segmenter(make_graph: MakeGraph) -> str:
    logits = np.random.default_rng(6).normal(0, 1, (3, SIZE, SIZE)).astype(np.float32)
    return str(make_graph({"logits": logits}, metadata={"sightline": "segment"}))


def endtoend(make_graph: MakeGraph) -> str:
    output = boxes(6, 50)
    output[:, 2:4] = output[:, :2] * 50 + output[:, 2:4] * 60
    output[:, :2] *= 50
    output[:, 5] = np.arange(50) % 3
    return str(make_graph({"output0": output}, metadata={"names": "['a', 'b', 'c']", "stride": "32"}))


def rfdetr(make_graph: MakeGraph) -> str:
    output = boxes(4 + 91, 50)
    masks = np.random.default_rng(6).normal(0, 1, (50, 16, 16)).astype(np.float32)
    return str(make_graph({"dets": output[:, :4].copy(), "labels": output[:, 4:] * 8 - 5, "masks": masks}))


def rtdetr(make_graph: MakeGraph) -> str:
    output = boxes(7, 50)
    values = {"pred_boxes": output[:, :4].copy(), "logits": output[:, 4:] * 8 - 5}
    return str(make_graph(values, metadata={"model_type": "rt_detr"}))


def semantic(make_graph: MakeGraph) -> str:
    return str(make_graph({"out": np.random.default_rng(6).normal(0, 1, (21, 16, 16)).astype(np.float32)}))


SPECS: dict[str, Callable[[MakeGraph], str | Path]] = {
    "birefnet": made_exports.birefnet,
    "damoyolo": made_exports.damoyolo,
    "detector": detector,
    "endtoend": endtoend,
    "mmdeploy": made_exports.mmdeploy,
    "modnet": made_exports.modnet,
    "nanodet": made_exports.nanodet,
    "paddle": made_exports.paddle,
    "rfdetr": rfdetr,
    "rtdetr": rtdetr,
    "segmenter": segmenter,
    "semantic": semantic,
    "tf_detection": made_exports.tf_detection,
    "torchvision": made_exports.torchvision,
    "u2net": made_exports.u2net,
    "ultralytics": ultralytics,
    "yolonas": made_exports.yolonas,
    "yolov6": made_exports.yolov6,
    "yolov7": made_exports.yolov7,
    "yolox": yolox,
}
"""A file of each family that has no built-in model."""


def pairs() -> list[Any]:
    """Each family with each engine; a model that needs no weights runs on none."""
    built_in = {name for name in names("models") if hasattr(load("models", name), "builtin")}
    return [
        pytest.param(family, engine, id=f"{family}-{engine}" if engine else family)
        for family in names("models")
        for engine in ([""] if family in built_in else ENGINES)
    ]


@pytest.fixture
def model(family: str, engine: str, make_graph: MakeGraph) -> Model:
    """A warm model. A new family without weights of its own adds a file to SPECS, or has a ``sample``."""
    if engine and load("engines", engine).available() is not None:
        pytest.skip(f"{engine} is not installed")
    spec = family
    if engine:
        made = SPECS.get(family) or getattr(load("models", family), "sample", None)
        assert made is not None, f"family {family}: expected sample(make_graph), the path of a small file of it"
        spec = str(made(make_graph))
    model = load_model(spec, engine=engine or "onnx")
    assert model.card.family == family
    return model


each_model = pytest.mark.parametrize(("family", "engine"), pairs())


def picture(width: int, height: int, seed: int = 0) -> Image:
    """Noise."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


SIZES = [(1, 1), (17, 33), (4000, 10), (10, 4000), (640, 360), (1, 500), (64, 64)]


@each_model
@pytest.mark.parametrize("size", SIZES)
def test_a_model_takes_pictures_of_any_size(model: Model, size: tuple[int, int]) -> None:
    width, height = size
    model.options = Options(confidence=0.05)
    for seed in range(12):  # so many that one that remembers has something to say
        image = picture(width, height, seed)
        before = image.copy()
        (found,) = model.predict([image], streams=["a"])
        np.testing.assert_array_equal(image, before)
        sound(found, width, height, len(model.card.labels))


def sound(found: Prediction, width: int, height: int, classes: int) -> None:
    """Types, shapes and ranges of a prediction."""
    if not isinstance(found, Detections):
        assert isinstance(found, Segmentation)
        assert found.class_map.dtype == np.uint8
        assert found.class_map.ndim == 2
        return
    rows = len(found)
    assert found.xyxy.shape == (rows, 4)
    assert found.confidence.shape == found.class_id.shape == (rows,)
    assert [str(a.dtype) for a in (found.xyxy, found.confidence, found.class_id)] == ["float32", "float32", "int32"]
    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy >= 0).all()
    assert (found.xyxy <= np.array([width, height, width, height])).all()
    assert (found.xyxy[:, 2:] > found.xyxy[:, :2]).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert ((found.class_id >= 0) & (found.class_id < classes)).all()
    if found.mask is not None:
        assert found.mask.dtype == np.uint8
        assert found.mask.ndim == 2
        assert found.mask.size
        assert found.mask.max() <= min(rows, 255)


@each_model
def test_a_model_says_the_same_of_a_batch_as_one_by_one(model: Model) -> None:
    images = [picture(100 + 40 * i, 80, seed=i) for i in range(5)]
    streams = list("abcde")
    together = model.predict(images, streams=streams)
    for name in streams:
        model.forget(name)
    alone = [model.predict([image], streams=[name])[0] for image, name in zip(images, streams, strict=True)]
    assert len(together) == 5
    if model.engine is not None:
        assert all(not isinstance(found, Detections) or len(found) for found in together)
    for a, b in zip(together, alone, strict=True):
        same(a, b)
    assert model.predict([]) == []


def same(a: Prediction, b: Prediction) -> None:
    """Two predictions say the same, to the bit."""
    assert type(a) is type(b)
    for column in ("xyxy", "confidence", "class_id", "mask", "class_map"):
        left, right = getattr(a, column, None), getattr(b, column, None)
        assert (left is None) == (right is None)
        if left is not None:
            np.testing.assert_array_equal(left, right)


@each_model
def test_a_model_keeps_what_it_said_while_it_goes_on(model: Model) -> None:
    """Buffers are used again; predictions must not share them."""
    found = [model.predict([picture(100, 80, seed)], streams=["a"])[0] for seed in range(14)]
    copies = copy.deepcopy(found)
    model.predict([picture(333, 444)], streams=["b"])
    for a, b in zip(found, copies, strict=True):
        same(a, b)


@each_model
def test_a_model_times_its_stages(model: Model) -> None:
    stages = {"decode": 1.0, "infer": 1000.0}
    model.predict([picture(64, 48)] * 2, stages=stages)
    assert stages["decode"] == 1.0
    assert stages["infer"] > 1000.0
    assert stages["preprocess"] > 0
    assert stages["postprocess"] > 0


@each_model
@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 5, 3), np.uint8),
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
    ],
)
def test_a_model_refuses_what_is_no_picture(model: Model, image: Any) -> None:
    with pytest.raises(BadImage, match="expected H x W x 3 uint8"):
        model.predict([image])


@each_model
def test_a_model_has_a_card_and_a_size(model: Model) -> None:
    card = model.card
    assert card.name
    assert card.licence
    assert card.source
    assert card.labels
    assert model.wanted_side >= 32
    assert model.max_batch >= 1
    assert model.input_size == card.input_size
    assert 0 <= model.options.confidence <= 1
    model.warm_up()
    model.close()
    model.close()
