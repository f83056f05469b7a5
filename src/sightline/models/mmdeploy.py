"""mmdetection's and mmyolo's detectors, turned into ONNX by mmdeploy: ``dets`` 1 x N x 5 and ``labels`` 1 x N.

A row is corners in pixels of the input and certainty. How pictures are scaled differs from model to model:
``pipeline.json``, which mmdeploy writes beside the graph with ``--dump-info``, tells it.
Source: https://github.com/open-mmlab/mmdeploy (Apache-2.0).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.types import Engine
from sightline.models._beside import read_json
from sightline.models._boxes import in_pixels
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import told_labels
from sightline.models._rows import Rows, RowsModel
from sightline.models.base import Graph

LAYOUTS = "dets 1 x N x 5 (corners in pixels, certainty) and labels 1 x N, whole numbers; pipeline.json beside it"


def recognise(graph: Graph) -> bool:
    """Recognise a graph by names and shapes of its outputs."""
    if not {"dets", "labels"} <= graph.outputs.keys() or graph.sizes is not None or graph.about:
        return False
    dets, labels = graph.outputs["dets"], graph.outputs["labels"]
    whole = labels.dtype in ("int64", "int32")
    if len(dets.shape) != 3 or dets.shape[2] != 5 or len(labels.shape) != 2 or not whole:
        return False
    return in_pixels(graph.trial()["dets"][0, :, :4])


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Raises ModelError where nothing tells how pictures are scaled."""
    graph = replace(graph, metadata=pipeline(graph.path.with_name("pipeline.json")) | dict(graph.metadata))
    if not {"mean", "scale"} & graph.metadata.keys():
        raise ModelError(
            f"{graph.path}: nothing tells how its pictures are scaled; expected mmdeploy's pipeline.json beside it "
            f"(tools/deploy.py ... --dump-info), or mean, std and order in {graph.path.stem}.metadata.json"
        )
    labels = told_labels(graph.path, graph.metadata)[0]
    card = card_of(graph, "mmdeploy", labels, "mmdetection detector")
    return RowsModel(card, graph, engine, Recipe(fit="letterbox"), _read, suppresses=False)


def _read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
    rows, classes = outputs["dets"][0], outputs["labels"][0]
    found = classes >= 0  # the rest is padding
    return rows[found, :4], rows[found, 4], classes[found]


def pipeline(path: Path) -> dict[str, str]:
    """What a pipeline.json says, under the keys of docs/models.md; {} if there is none. Raises ModelError."""
    read = read_json(path)
    if not read:
        return {}
    try:
        steps = next(task for task in read["pipeline"]["tasks"] if task.get("module") == "Transform")["transforms"]
        told = {"scale": "1", "mean": "[0, 0, 0]", "std": "[1, 1, 1]", "order": "bgr", "fit": "stretch"}
        for step in steps:
            if step["type"] == "Resize":
                told["fit"] = "letterbox" if step.get("keep_ratio") else "stretch"
            elif step["type"] == "Normalize":
                told |= {"mean": json.dumps(step["mean"]), "std": json.dumps(step["std"])}
                told["order"] = "rgb" if step.get("to_rgb", True) else "bgr"
        return told
    except (TypeError, KeyError, AttributeError, StopIteration) as e:
        raise ModelError(f"{path}: expected mmdeploy's pipeline.json, with a task of the module Transform") from e
