"""Semantic segmentation: exact maps from made graphs of every layout, and people found in real pictures."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline import profiles
from sightline.core.errors import ModelError
from sightline.core.predictions import Segmentation
from sightline.core.types import Image, TensorSpec
from sightline.models._data_sets import ADE, VOC
from sightline.models.base import Graph, GraphModel
from sightline.models.semantic import layouts_of
from sightline.zoo.loader import load_model

SAID = {"family": "semantic"}
"""Logits of a few classes may be much else."""
GREY = np.full((16, 16, 3), 128, np.uint8)
"""As large as the logits: of a larger picture they would be interpolated."""


def expected(classes: int, height: int = 16, width: int = 16) -> NDArray[np.uint8]:
    """A map in which every class occurs."""
    return (np.arange(height * width).reshape(height, width) * 7 % classes).astype(np.uint8)


def logits(classes: int, height: int = 16, width: int = 16) -> NDArray[np.float32]:
    """Logits, classes x H x W, whose best class is that of the map; by little, over a ground that is not flat."""
    found = np.random.default_rng(3).normal(0, 0.1, (classes, height, width)).astype(np.float32)
    np.put_along_axis(found, expected(classes, height, width)[None].astype(np.intp), 1, axis=0)
    return found - 20


def only(file: Path, engine: str = "onnx", **options: Any) -> NDArray[np.uint8]:
    """The class map of a grey picture."""
    model = load_model(str(file), engine=engine, **options)
    assert (model.card.family, model.card.task) == ("semantic", "segment")
    first, second = model.predict([GREY, GREY])
    assert isinstance(first, Segmentation)
    assert isinstance(second, Segmentation)
    np.testing.assert_array_equal(first.class_map, second.class_map)
    return first.class_map


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_logits(make_graph: Callable[..., Path], dtype: str, is_open: bool, engine: str) -> None:
    pytest.importorskip("openvino") if engine == "openvino" else None
    options: dict[str, Any] = {
        "size": (None, None) if is_open else (64, 64),
        "batch": None,
        "open_outputs": is_open,
        "dtype": dtype,
    }
    options["metadata"] = SAID
    imgsz = 64 if is_open else None
    for classes in (2, 21, 150, 255):
        file = make_graph({"logits": logits(classes)}, **options)
        np.testing.assert_array_equal(only(file, engine, imgsz=imgsz), expected(classes))
    last = np.ascontiguousarray(np.moveaxis(logits(21), 0, -1))
    np.testing.assert_array_equal(only(make_graph({"y": last}, **options), engine, imgsz=imgsz), expected(21))


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("extra", [False, True])
@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_class_maps(make_graph: Callable[..., Path], dtype: type[np.integer[Any]], extra: bool, engine: str) -> None:
    pytest.importorskip("openvino") if engine == "openvino" else None
    value = expected(7).astype(dtype)
    file = make_graph(
        {"map": value[None] if extra else value}, metadata={"names": '["a", "b", "c", "d", "e", "f", "g"]'}
    )
    np.testing.assert_array_equal(only(file, engine), expected(7))
    assert load_model(str(file), engine="onnx").card.labels == tuple("abcdefg")


def test_odd_ids_stay_within_bytes(make_graph: Callable[..., Path]) -> None:
    value = np.full((16, 16), -1, np.int64)
    value[0, :3] = [255, 256, 70000]
    found = only(make_graph({"map": value}))
    assert found[0, :4].tolist() == [255, 255, 255, 0]


def test_of_torchvisions_two_outputs_the_main_one_counts(make_graph: Callable[..., Path]) -> None:
    file = make_graph({"aux": np.zeros((21, 16, 16), np.float32), "out": logits(21)})
    np.testing.assert_array_equal(only(file), expected(21))


def test_a_shape_with_two_meanings_is_not_guessed(make_graph: Callable[..., Path]) -> None:
    either = logits(16)
    with pytest.raises(ModelError, match="expected metadata 'layout', chw or hwc"):
        only(make_graph({"y": either}))
    np.testing.assert_array_equal(only(make_graph({"y": either}, metadata={"layout": "NCHW"})), expected(16))
    last = np.ascontiguousarray(np.moveaxis(either, 0, -1))
    np.testing.assert_array_equal(only(make_graph({"y": last}, metadata={"layout": "hwc"})), expected(16))


def test_a_card_leaves_one_reading_at_every_size() -> None:
    """Fault 22: with 21 classes and 20 to 22 cells there were two."""
    for name in ("fast", "balanced", "accurate"):
        profile = profiles.load(name)
        classes, picture = len(profile.labels), TensorSpec("images", (None, 3, None, None), "uint8")
        for side in range(64, 2049, 32):
            for stride in (4, 8, 16):
                logits = TensorSpec("logits", (1, classes, side // stride, side // stride), "float32")
                graph = Graph(Path("x.onnx"), picture, {"logits": logits}, profile.metadata(), (side, side))
                assert [(one.axes, one.classes) for one in layouts_of(graph)] == [("chw", classes)]


@pytest.mark.parametrize("shape", [(257, 16, 16), (21, 16, 8), (21, 1, 1), (21, 16), (5,)])
def test_other_shapes_are_no_segmentation(make_graph: Callable[..., Path], shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="of no family that is supported"):
        only(make_graph({"y": np.zeros(shape, np.float32)}))


def test_labels_of_known_data_sets(make_graph: Callable[..., Path]) -> None:
    assert (len(VOC), len(ADE), len(set(ADE))) == (21, 150, 150)
    assert (VOC[0], VOC[15], ADE[0], ADE[12], ADE[149]) == ("background", "person", "wall", "person", "flag")
    for names in (VOC, ADE):
        assert load_model(str(make_graph({"out": logits(len(names))})), engine="onnx").card.labels == names
    assert load_model(str(make_graph({"y": logits(3)}, metadata=SAID)), engine="onnx").card.label(2) == "class 2"
    with pytest.raises(ModelError, match="has 1 names, but the graph has 3 classes"):
        only(make_graph({"y": logits(3)}, metadata={"names": '["a"]'}))


def test_metadata_tells_how_the_input_is_made(make_graph: Callable[..., Path]) -> None:
    def made(metadata: dict[str, str]) -> NDArray[Any]:
        model = load_model(str(make_graph({"y": logits(3)}, metadata=SAID | metadata)), engine="onnx")
        assert isinstance(model, GraphModel)
        for _ in range(2):  # the buffer is used again
            tensor, _ = model.preprocess(np.full((16, 64, 3), (0, 51, 255), np.uint8))
        part: NDArray[Any] = tensor[0]
        return part

    imagenet = [(1 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    np.testing.assert_allclose(made({}), np.broadcast_to(np.reshape(imagenet, (3, 1, 1)), (3, 64, 64)), atol=1e-5)
    for told, expected_values in (
        ({"mean": "0", "std": "1"}, [1, 0.2, 0]),
        ({"mean": "[127.5, 127.5, 127.5]", "std": "127.5"}, [1, -0.6, -1]),
        ({"mean": "0.5", "std": "0.5", "order": "BGR"}, [-1, -0.6, 1]),
        ({"scale": "1", "mean": "[0, 0, 0]", "std": "[1, 1, 1]"}, [255, 51, 0]),
    ):
        np.testing.assert_allclose(made(told)[:, 0, 0], expected_values, atol=1e-5)
    boxed = made({"fit": "letterbox", "mean": "0", "std": "1", "scale": "1"})
    assert (boxed[:, 16:] == 114).all()
    assert (boxed[0, :16] == 255).all()


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
@pytest.mark.parametrize("metadata", [{}, {"order": "bgr"}, {"fit": "letterbox"}])
def test_an_input_with_its_channels_last_is_fed_the_same(
    make_graph: Callable[..., Path], dtype: str, metadata: dict[str, str]
) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 90, 3), np.uint8)
    fed = []
    for last in (False, True):
        file = make_graph({"y": logits(3)}, dtype=dtype, metadata=SAID | metadata, channels_last=last, size=(96, None))
        model = load_model(str(file), engine="onnx", imgsz=96)
        assert isinstance(model, GraphModel)
        assert model.input_size == (96, 96)
        tensor, _ = model.preprocess(picture)
        (value,) = model.graph.feeds(tensor).values()
        assert value.flags.c_contiguous, "as the graph takes it, without another copy"
        fed.append(np.moveaxis(value, -1, 1) if last else value.copy())
        (found,) = model.predict([picture])
        assert isinstance(found, Segmentation)
    np.testing.assert_array_equal(fed[0], fed[1])


@pytest.mark.parametrize(
    "told",
    [
        {"mean": "x"},
        {"mean": "[1, 2]"},
        {"mean": "NaN"},
        {"mean": '{"a": 1}'},
        {"std": "0"},
        {"std": "[" * 9999},
        {"scale": "[1, 2, 3]"},
        {"fit": "crop"},
        {"order": "rgba"},
    ],
)
def test_broken_metadata_is_refused(make_graph: Callable[..., Path], told: dict[str, str]) -> None:
    (key,) = told
    with pytest.raises(ModelError, match=f"metadata '{key}' is .*; expected"):
        only(make_graph({"y": logits(3)}, metadata=SAID | told))


@pytest.mark.parametrize("fit", ["letterbox", "centre"])
def test_what_covers_the_grey_border_is_left_out(make_graph: Callable[..., Path], fit: str) -> None:
    model = load_model(str(make_graph({"y": logits(5)}, metadata=SAID | {"fit": fit})), engine="onnx")
    (found,) = model.predict([np.zeros((4, 16, 3), np.uint8)])  # a quarter of the input's height
    assert isinstance(found, Segmentation)
    rows = slice(0, 4) if fit == "letterbox" else slice(6, 10)
    np.testing.assert_array_equal(found.class_map, expected(5)[rows])


def test_a_file_beside_is_believed_more_than_the_graph(make_graph: Callable[..., Path]) -> None:
    file = make_graph({"y": logits(3)}, metadata={"names": '["a", "b", "c"]', "mean": "x"})
    file.with_name("tiny.metadata.json").write_text('{"names": ["d", "e", "f"], "mean": 0.5}')
    assert load_model(str(file), engine="onnx").card.labels == ("d", "e", "f")
    file.with_name("tiny.metadata.json").write_text('{"family": "rtdetr"}')
    with pytest.raises(ModelError, match="does not fit the family rtdetr"):
        load_model(str(file), engine="onnx")


def portraits(assets: Path, count: int) -> Iterator[tuple[Image, NDArray[np.uint8]]]:
    """Pictures of one person each, with masks of 0 and 255."""
    with zipfile.ZipFile(assets / "photos/photos-1.zip") as archive:
        records = json.loads(archive.read("index-1.json"))["records"]
        for record in [r for r in records if r["source"] == "EG1800 portraits"][:count]:
            image, mask = (np.frombuffer(archive.read(record[key]), np.uint8) for key in ("image", "mask"))
            yield (
                cv2.imdecode(image, cv2.IMREAD_COLOR),  # type: ignore[misc]
                cv2.imdecode(mask, cv2.IMREAD_GRAYSCALE),
            )


def test_people_are_found_in_photos(assets: Path, tmp_path: Path) -> None:
    """SINet says nothing of itself, so a file beside it does. Over 40 portraits the masks overlap by 0.96."""
    file = Path(shutil.copy(assets / "models/SINet.onnx", tmp_path))
    means, stds = [102.890434, 111.25247, 126.91212], [62.93292, 62.82138, 66.355705]
    told = {"mean": means, "std": [s * 255 for s in stds], "order": "bgr", "names": ["background", "person"]}
    (tmp_path / "SINet.metadata.json").write_text(json.dumps(told))
    model = load_model(str(file), engine="onnx")
    assert model.card.labels == ("background", "person")
    assert model.input_size == (320, 320)
    shared = either = 0
    for image, mask in portraits(assets, 40):
        (found,) = model.predict([image])
        assert isinstance(found, Segmentation)
        size = (mask.shape[1], mask.shape[0])
        person = cv2.resize(found.class_map, size, interpolation=cv2.INTER_NEAREST) == 1
        shared += int((person & (mask > 0)).sum())
        either += int((person | (mask > 0)).sum())
    assert shared / either > 0.94
