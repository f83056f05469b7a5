"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import settings
from numpy.typing import NDArray

MakeGraph: TypeAlias = Callable[..., Path]

settings.register_profile("here", deadline=None)  # time says nothing on a busy machine
settings.load_profile("here")

# The default model takes milliseconds; most tests are of what is around a model, for which the cheapest will do.
os.environ.setdefault("SIGHTLINE_MODEL", "motion")
# Whatever weights lie in this user's own cache, the tests see none but those that they put there.
os.environ["SIGHTLINE_CACHE"] = os.path.join(tempfile.gettempdir(), "sightline-tests-without-weights")  # noqa: PTH118

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder of real models, clips and photos. Tests that need it skip where it is absent."""
    folder = Path(os.environ.get("SIGHTLINE_ASSETS", ROOT.parent / "shared" / "assets"))
    if not folder.is_dir():
        pytest.skip(f"no assets at {folder}: set SIGHTLINE_ASSETS to the folder of test models and clips")
    return folder


@pytest.fixture
def make_graph(tmp_path: Path) -> MakeGraph:
    """Makes an ONNX file that takes one picture and always gives the same outputs: see the inner function."""

    def make(
        outputs: Mapping[str, NDArray[Any]],
        *,
        size: tuple[int | None, int | None] = (64, 64),
        batch: int | None = 1,
        dtype: str = "float32",
        metadata: Mapping[str, str] | None = None,
        open_outputs: bool = False,
        channels_last: bool = False,
        name: str = "tiny.onnx",
    ) -> Path:
        """``outputs``: one picture's, without the batch axis. ``size``: width and height, None for any.

        Outputs of whole numbers stay such; others are of the input's ``dtype``, of bytes float32.
        ``channels_last``: the input is height x width x 3.
        ``open_outputs``: the file does not tell the sides of its outputs, as exports with dynamic shapes don't.
        """
        onnx = pytest.importorskip("onnx")
        helper, taken = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        dtype = "float32" if dtype == "uint8" else dtype  # of what it computes with
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        width, height = size
        dims = [batch or "batch", 3, height or "height", width or "width"]
        if channels_last:
            dims = [dims[0], *dims[2:], 3]
        nodes = [helper.make_node("Cast", ["images"], ["pixels"], to=kind)]
        nodes.append(helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0))
        nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
        constants = [onnx.numpy_helper.from_array(np.zeros(1, dtype), "zero")]
        infos = []
        for key, value in outputs.items():
            shape = np.array([-1, *[1] * value.ndim], np.int64)
            whole = np.issubdtype(value.dtype, np.integer)
            kept = helper.np_dtype_to_tensor_dtype(value.dtype) if whole else kind
            constants.append(
                onnx.numpy_helper.from_array(value[None].astype(value.dtype if whole else dtype), f"{key}_value")
            )
            constants.append(onnx.numpy_helper.from_array(shape, f"{key}_shape"))
            nodes.append(helper.make_node("Reshape", ["nothing", f"{key}_shape"], [f"{key}_float"]))
            nodes.append(helper.make_node("Cast", [f"{key}_float"], [f"{key}_nothing"], to=kept))
            nodes.append(helper.make_node("Add", [f"{key}_value", f"{key}_nothing"], [key]))
            sides = [f"{key}_{i}" for i in range(value.ndim)] if open_outputs else list(value.shape)
            infos.append(helper.make_tensor_value_info(key, kept, [batch or "batch", *sides]))
        graph = helper.make_graph(
            nodes, "tiny", [helper.make_tensor_value_info("images", taken, dims)], infos, initializer=constants
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
        helper.set_model_props(model, dict(metadata or {}))
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return make
