"""A family from a package of its own, found through its entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

FAMILY = """
import numpy as np

from sightline.models.base import Geometry, GraphModel
from sightline.core.predictions import Detections
from sightline.core.types import ModelCard

LAYOUTS = "corners 1 x 4 of the one thing that there is"


def recognise(graph):
    return graph.metadata.get("producer") == "outside"


def build(graph, engine):
    source = str(graph.path)
    return One(ModelCard(graph.path.stem, "one", "detect", ("thing",), graph.size, "MIT", source), graph, engine)


class One(GraphModel):
    def preprocess(self, image, slot=0):
        width, height = self.graph.size
        return self.tensor[slot : slot + 1], Geometry(image.shape[1], image.shape[0], 0, 0, width, height)

    def postprocess(self, outputs, geometry, options):
        xyxy = outputs["corners"].astype(np.float32)
        return Detections(xyxy, np.ones(1, np.float32), np.zeros(1, np.int32))
"""

USE = """
import sys

import numpy as np

from sightline.zoo.loader import load_model

for family in (None, "one"):
    model = load_model(sys.argv[1], engine="onnx", family=family)
    (found,) = model.predict([np.zeros((64, 64, 3), np.uint8)])
    print(model.card.family, model.card.label(0), found.xyxy.tolist())
"""


def test_a_family_from_another_package(make_graph: Callable[..., Path], tmp_path: Path) -> None:
    package = tmp_path / "site"
    (package / "outside").mkdir(parents=True)
    (package / "outside" / "__init__.py").write_text("")
    (package / "outside" / "one.py").write_text(FAMILY)
    info = package / "outside-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[sightline.models]\none = outside.one\n")
    corners = {"corners": np.array([1, 2, 30, 40], np.float32)}
    file = make_graph(corners, metadata={"producer": "outside"})
    path = os.pathsep.join([str(package), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", USE, str(file)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["one thing [[1.0, 2.0, 30.0, 40.0]]"] * 2
