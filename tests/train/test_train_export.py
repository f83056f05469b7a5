"""The exported file says what the network says, in every engine, for any batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from sightline.core.predictions import Detections, Segmentation  # noqa: E402
from sightline.core.registry import load  # noqa: E402
from sightline.train import nets  # noqa: E402
from sightline.train.assign import cells, to_boxes  # noqa: E402
from sightline.train.export import GRAPHS, export  # noqa: E402
from sightline.zoo.loader import load_model  # noqa: E402

CLASSES = ("one", "two", "three")
SIZE = 64
ROUNDED = 0.1
"""Share of the largest value by which a file's integers may be off."""
PLAIN = {
    "Add",
    "Cast",
    "Concat",
    "Constant",
    "Conv",
    "Identity",
    "Mul",
    "ReduceMean",
    "Relu",
    "Reshape",
    "Resize",
    "Sigmoid",
}
PLAIN |= {"Abs", "Exp", "Log", "Neg", "Slice", "Sub", "Transpose", "Unsqueeze"}
PLAIN |= {"DequantizeLinear", "QuantizeLinear"}
PLAIN |= {
    "ConstantOfShape",
    "Div",
    "Flatten",
    "Gather",
    "Range",
    "Shape",
}  # on a handful of numbers: where the cells are


def noise(count: int, height: int = SIZE, width: int = SIZE) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 255, (count, height, width, 3), np.uint8)


def network(kind: str) -> Any:
    torch.manual_seed(0)
    net = nets.DetectorNet(3) if kind == "detect" else nets.SegmenterNet(3)
    net.train()
    with torch.no_grad():  # statistics that are not those of a fresh network
        for _ in range(20):
            net(torch.randint(0, 255, (4, 3, SIZE, SIZE), dtype=torch.uint8))
    return net.eval()


def written(net: Any, kind: str, path: Path, about: dict[str, str] | None = None) -> Path:
    export(net, kind, CLASSES, SIZE, path, about or {}, noise(16))
    return path


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("kind", ["detect", "segment"])
def test_an_engine_gives_what_torch_gives_at_any_size(tmp_path: Path, kind: str, engine: str) -> None:
    if load("engines", engine).available() is not None:
        pytest.skip(f"{engine} is not installed")
    net = network(kind)
    path = written(net, kind, tmp_path / "made.onnx", {"licence": "test"})
    opened = load("engines", engine).open(path, threads=1)
    assert opened.metadata["licence"] == "test"
    graph = GRAPHS[kind](net)
    for height, width in ((SIZE, SIZE), (96, 128)):
        images = np.ascontiguousarray(noise(3, height, width).transpose(0, 3, 1, 2))
        found = opened.run({"images": images})
        with torch.no_grad():
            wanted = graph(torch.from_numpy(images))
        for name, value in zip(graph.outputs, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            wide = float(value.abs().max())
            assert np.abs(found[name] - value.numpy()).max() < ROUNDED * wide, (name, height, width)
    opened.close()


def test_a_class_that_is_never_there_makes_no_other_coarser(tmp_path: Path) -> None:
    """Logits of -150 take nothing from the 256 steps that the others share."""
    net = network("detect")
    with torch.no_grad():
        for layer in net.scores:
            layer.weight.mul_(torch.tensor([60.0, 60.0, 0.0])[:, None, None, None])
            assert layer.bias is not None
            layer.bias.copy_(torch.tensor([-1.0, -2.0, -150.0]))
    opened = load("engines", "onnx").open(written(net, "detect", tmp_path / "made.onnx"), threads=1)
    images = np.ascontiguousarray(noise(3).transpose(0, 3, 1, 2))
    with torch.no_grad():
        wanted = GRAPHS["detect"](net)(torch.from_numpy(images))[1].numpy()
    found = opened.run({"images": images})["scores"]
    opened.close()
    assert found[:, 2].max() < 1e-4
    assert len(np.unique(found[:, :2])) > 60  # 30 if those logits are kept
    assert np.abs(found - wanted).max() < 0.04  # 0.08


@pytest.mark.parametrize("classes", [2, 4])
def test_a_sure_class_is_told_from_another_sure_one(tmp_path: Path, classes: int) -> None:
    """Two logits above the range in which a mask's edges lie: the higher one is still found."""
    net = nets.SegmenterNet(classes).eval()
    with torch.no_grad():
        net.logits.weight.zero_()
        assert net.logits.bias is not None
        net.logits.bias.copy_(torch.tensor([0.0, 12.0, 30.0, -5.0])[:classes])
    path = tmp_path / "made.onnx"
    export(net, "segment", CLASSES[:1] + tuple(map(str, range(classes - 1))), SIZE, path, {}, noise(4))
    opened = load("engines", "onnx").open(path, threads=1)
    found = opened.run({"images": np.ascontiguousarray(noise(1).transpose(0, 3, 1, 2))})["logits"]
    opened.close()
    assert (found.argmax(1) == min(2, classes - 1)).all()


def test_the_cells_of_the_graph_are_those_of_the_training() -> None:
    net = network("detect")
    images = torch.randint(0, 255, (1, 3, 96, 96), dtype=torch.uint8)
    with torch.no_grad():
        _, sides = net(images)
        assert torch.allclose(GRAPHS["detect"](net)(images)[0], to_boxes(sides, *cells(96)), atol=1e-4)


@pytest.mark.parametrize("kind", ["detect", "segment"])
def test_only_plain_operators_are_used_and_a_weight_takes_a_byte(tmp_path: Path, kind: str) -> None:
    onnx = pytest.importorskip("onnx")
    net = network(kind)
    path = written(net, kind, tmp_path / "made.onnx")
    graph = onnx.load(path)
    onnx.checker.check_model(graph)
    assert {node.op_type for node in graph.graph.node} <= PLAIN
    assert path.stat().st_size < 1.1 * sum(p.numel() for p in net.parameters()) + 100_000


@pytest.mark.parametrize(("kind", "prediction"), [("detect", Detections), ("segment", Segmentation)])
def test_the_loader_knows_the_file(tmp_path: Path, kind: str, prediction: type) -> None:
    path = written(network(kind), kind, tmp_path / "made.onnx")
    load_model(str(path), engine="onnx", imgsz=128).close()
    model = load_model(str(path), engine="onnx", confidence=0.0)
    assert model.card.labels == CLASSES
    assert model.card.task == kind
    assert model.input_size == (SIZE, SIZE)
    found = model.predict([np.full((50, 120, 3), 90, np.uint8)])[0]
    assert isinstance(found, prediction)
    if isinstance(found, Detections):
        assert len(found) > 0
        assert found.xyxy[:, 2].max() <= 120
        assert found.xyxy[:, 3].max() <= 50
    else:
        assert isinstance(found, Segmentation)
        assert found.class_map.shape == (50, 120)  # without the letterbox's border
    model.close()
