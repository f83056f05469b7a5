"""The pages' pre- and postprocessing is Python's: both are held to ``golden/inference.json``.

``python tests/inference/test_inference_golden.py``, with ``tests`` on PYTHONPATH, writes it anew.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sightline.core.predictions import Segmentation
from sightline.inference.place import InferenceOptions, ModelFacts
from sightline.models.base import GraphModel
from sightline.server.api.client_inference import describe_model
from sightline.zoo.loader import load_model
from support.made_graph import MakeGraph, maker_in

GOLDEN = Path(__file__).parents[1] / "golden" / "inference.json"
Outputs = dict[str, NDArray[Any]]
ULTRALYTICS: Mapping[str, Any] = {"metadata": {"family": "ultralytics"}}


def scattered(rng: np.random.Generator, count: int, side: int) -> NDArray[np.float32]:
    """Centres and sizes of boxes, two of three of them near others."""
    centre = rng.uniform(6, side - 6, (count, 2))
    centre[::3] = centre[0] + rng.uniform(-3, 3, centre[::3].shape)
    return np.concatenate((centre, rng.uniform(6, 20, (count, 2))), axis=1).astype(np.float32)


def detector(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    box = scattered(rng, 20, 32)
    corners = np.concatenate((box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2), axis=1)
    scores = rng.uniform(0, 0.9, (3, 20)) ** 2
    return {"boxes": corners, "scores": scores}, {"metadata": {"sightline": "detect"}, "dtype": "uint8"}


def unsure(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    outputs, options = detector(rng)
    outputs["scores"] = outputs["scores"] * 0.45
    return outputs, {"confidence": 0.05, **options}


def yolox(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    rows = rng.uniform(0, 1, (21, 8))
    rows[:, 2:4] = rng.uniform(-0.5, 1, (21, 2))
    return {"output": rows}, {"metadata": {"names": "['a','b','c']"}}


def v8(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    return {"output0": np.concatenate((scattered(rng, 21, 32), rng.uniform(0, 0.7, (21, 3))), axis=1).T}, ULTRALYTICS


def v8_half(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    return v8(rng)[0], {"dtype": "float16", **ULTRALYTICS}


def v5(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    return {"output0": np.concatenate((scattered(rng, 63, 32), rng.uniform(0, 0.8, (63, 4))), axis=1)}, ULTRALYTICS


def final_rows(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    box = scattered(rng, 10, 32)
    corners = np.concatenate((box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2), axis=1)
    ends = np.stack((np.sort(rng.uniform(0, 1, 10))[::-1], rng.integers(0, 3, 10)), axis=1)
    return {"rows": np.concatenate((corners, ends), axis=1)}, {"metadata": {"names": "['a','b','c']"}}


def logits(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    return {"logits": rng.normal(0, 1, (4, 8, 8))}, {"metadata": {"fit": "letterbox", "family": "semantic"}}


def logits_last(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    told = {"mean": "[127, 120, 110]", "std": "58", "family": "semantic"}
    return {"logits": rng.normal(0, 1, (16, 16, 5))}, {"metadata": told}


def two_logits(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    soft = [cv2.resize(rng.normal(0, 3, (3, 3)), (16, 16), interpolation=cv2.INTER_LINEAR) for _ in range(2)]
    return {"logits": np.stack(soft)}, {"metadata": {"family": "semantic", "fit": "letterbox"}}


def two_shares(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    second = rng.uniform(0, 1, (16, 16, 1))
    return {"logits": np.concatenate((1 - second, second), 2)}, {"metadata": {"family": "semantic"}}


def class_ids(rng: np.random.Generator) -> tuple[Outputs, Mapping[str, Any]]:
    return {"ids": rng.integers(0, 5, (16, 16))}, {"metadata": {"names": "['a','b','c','d','e']", "fit": "centre"}}


CASES = (detector, unsure, yolox, v8, v8_half, v5, final_rows, logits, logits_last, class_ids, two_logits, two_shares)


def packed(values: NDArray[Any]) -> dict[str, Any]:
    """A tensor as JSON."""
    data = np.ascontiguousarray(values)
    return {"type": data.dtype.name, "dims": list(values.shape), "data": base64.b64encode(data.tobytes()).decode()}


def made(make: Callable[[np.random.Generator], tuple[Outputs, Mapping[str, Any]]], graph: MakeGraph) -> dict[str, Any]:
    """A case: the model, a picture with its tensor, the outputs with what they say."""
    rng = np.random.default_rng(sum(map(ord, make.__name__)))
    outputs, given = make(rng)
    options = dict(given)
    confidence = options.pop("confidence", None)
    path = graph(outputs, size=(32, 32), name=f"{make.__name__}.onnx", **options)
    model = load_model(str(path), engine="onnx", confidence=confidence)
    assert isinstance(model, GraphModel)
    image = rng.integers(0, 256, (24, 44, 3), np.uint8)
    tensor, place = model.preprocess(image)
    tensor = np.ascontiguousarray(tensor)
    said = {name: np.array(output) for name, output in model.engine.run(model.graph.feeds(tensor)).items()}
    prediction = model.postprocess(said, place, model.options)
    described = describe_model(ModelFacts.of(model), InferenceOptions(model.options))
    assert described is not None
    case: dict[str, Any] = {
        "name": make.__name__,
        "model": described.model_dump() | {"size_bytes": 0},
        "picture": packed(image),
        "tensor": packed(tensor),
        "outputs": {name: packed(output) for name, output in said.items()},
    }
    if isinstance(prediction, Segmentation):
        soft = {} if prediction.alpha is None else {"alpha": packed(prediction.alpha)}
        return case | {"rows": [], "mask": packed(prediction.class_map)} | soft
    found = prediction.objects
    rows = zip(found.xyxy.tolist(), found.confidence.tolist(), found.class_id.tolist(), strict=True)
    return case | {"rows": [{"xyxy": box, "confidence": score, "class_id": kind} for box, score, kind in rows]}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_the_golden_file_is_what_python_makes_of_it(
    make: Callable[[np.random.Generator], tuple[Outputs, Mapping[str, Any]]], make_graph: MakeGraph
) -> None:
    golden = {case["name"]: case for case in json.loads(GOLDEN.read_text())}[make.__name__]
    case = json.loads(json.dumps(made(make, make_graph)))
    assert len(case["rows"]) >= 3 or "mask" in case, "there is something to see"
    rows, expected = case.pop("rows"), golden.pop("rows")
    assert [row["class_id"] for row in rows] == [row["class_id"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        assert np.allclose(row["xyxy"], other["xyxy"], atol=0.01)
        assert abs(row["confidence"] - other["confidence"]) < 1e-3
    tensor, other = (
        np.frombuffer(base64.b64decode(t["data"]), t["type"]) for t in (case.pop("tensor"), golden.pop("tensor"))
    )
    assert np.abs(tensor.astype(np.float64) - other.astype(np.float64)).max() <= (
        0.05 if tensor.dtype.kind == "f" else 1
    )
    assert case == golden


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        make_graph = maker_in(Path(folder))
        text = ",\n ".join(json.dumps(made(make, make_graph)) for make in CASES)
    GOLDEN.write_text(f"[\n {text}\n]\n")
