"""PaddleDetection's detectors (PP-YOLOE, PicoDet, RT-DETR), turned into ONNX by paddle2onnx: N x 6, no batch axis.

Inputs: ``image``, ``scale_factor`` and, in some, ``im_shape``. Outputs: rows of class, certainty and corners, and their
number. How pictures are scaled differs from model to model: ``infer_cfg.yml``, which the export writes beside its
files, tells it and the classes. Source: https://github.com/PaddlePaddle/PaddleDetection, deploy/third_engine/onnx.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from sightline.core.errors import ConfigError, ModelError
from sightline.core.types import Engine
from sightline.models._beside import MAX_BYTES
from sightline.models._card import card_of
from sightline.models._input import Recipe
from sightline.models._labels import told_labels
from sightline.models._rows import Rows, RowsModel
from sightline.models.base import Graph

LAYOUTS = "image and scale_factor (and im_shape) in, N x 6 (class, certainty, corners) and a count out; infer_cfg.yml"

FITS = {"LetterBoxResize": "centre", "Resize": "stretch"}


def recognise(graph: Graph) -> bool:
    """Recognise a graph by its inputs' names and its outputs' shapes."""
    return "scale_factor" in {spec.name for spec in graph.about} and graph.sizes is None and _rows(graph) is not None


def build(graph: Graph, engine: Engine) -> RowsModel:
    """Build the model. Raises ModelError where nothing tells how pictures are scaled."""
    graph = replace(graph, metadata=infer_cfg(graph.path.with_name("infer_cfg.yml")) | dict(graph.metadata))
    if not {"mean", "scale"} & graph.metadata.keys():
        raise ModelError(
            f"{graph.path}: nothing tells how its pictures are scaled; expected PaddleDetection's infer_cfg.yml beside "
            f"it, or mean and std in {graph.path.stem}.metadata.json (PP-YOLOE+: 0 and 1; PP-YOLOE: ImageNet's)"
        )
    rows, count = _rows(graph) or ("", None)

    def read(outputs: Mapping[str, NDArray[Any]], confidence: float) -> Rows:
        found = outputs[rows] if count is None else outputs[rows][: int(outputs[count].reshape(-1)[0])]
        found = found[found[:, 0] >= 0]  # a row of -1 says that there is nothing
        return found[:, 2:], found[:, 1], found[:, 0]

    card = card_of(graph, "paddle", told_labels(graph.path, graph.metadata)[0], "PaddleDetection detector")
    return RowsModel(card, graph, engine, Recipe(), read, suppresses=False, alone=True)


def _rows(graph: Graph) -> tuple[str, str | None] | None:
    """Names of the outputs with the rows and with their number, if there is one; None if the shapes are others."""
    rows = [one.name for one in graph.outputs.values() if len(one.shape) == 2 and one.shape[1] == 6]
    counts = [one.name for one in graph.outputs.values() if len(one.shape) == 1 and one.dtype in ("int32", "int64")]
    if len(rows) != 1 or len(counts) > 1 or len(rows) + len(counts) != len(graph.outputs):
        return None
    return rows[0], counts[0] if counts else None


def infer_cfg(path: Path) -> dict[str, str]:
    """What an infer_cfg.yml says, under the keys of docs/models.md; {} if there is none. Raises ModelError."""
    if not path.is_file():
        return {}
    try:
        yaml = importlib.import_module("yaml")
    except ImportError as e:
        raise ConfigError(f"{path} needs PyYAML, which is not installed; run: pip install pyyaml") from e
    try:
        read: Any = yaml.safe_load(path.read_text("utf-8")) if path.stat().st_size <= MAX_BYTES else None
        told: dict[str, str] = {}
        for step in read["Preprocess"]:
            kind = step["type"]
            if kind in FITS:
                told["fit"] = "letterbox" if step.get("keep_ratio") else FITS[kind]
            elif kind == "NormalizeImage":
                plain = step.get("norm_type") == "none"
                told["scale"] = str(1 / 255 if step.get("is_scale", True) else 1)
                told["mean"] = json.dumps([0, 0, 0] if plain else step["mean"])
                told["std"] = json.dumps([1, 1, 1] if plain else step["std"])
        names = read.get("label_list")
        return told | ({"names": json.dumps(list(map(str, names)))} if names else {})
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, TypeError, KeyError, AttributeError, ValueError) as e:
        raise ModelError(f"{path}: expected PaddleDetection's infer_cfg.yml, with Preprocess and label_list") from e
