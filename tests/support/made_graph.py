"""Made ONNX files, for tests of what is around a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray

MakeGraph: TypeAlias = Callable[..., Path]
"""The fixture ``make_graph``: makes an ONNX file in the test's own folder."""


def made_graph(
    path: Path,
    outputs: Mapping[str, NDArray[Any]],
    *,
    size: tuple[int | None, int | None] = (64, 64),
    batch: int | None = 1,
    dtype: str = "float32",
    metadata: Mapping[str, str] | None = None,
    open_outputs: bool = False,
    channels_last: bool = False,
    input_name: str = "images",
    more_inputs: Sequence[str] = (),
    rows_only: bool = False,
) -> Path:
    """An ONNX file that takes one picture and always gives the same outputs.

    ``outputs``: one picture's, without the batch axis. ``size``: width and height, None for any.

    Outputs of whole numbers stay such; others are of the input's ``dtype``, of bytes float32.
    ``channels_last``: the input is height x width x 3. ``more_inputs``: names of others, 1 x 2.
    ``batch``: None for any, 0 for an input without that axis. ``rows_only``: the outputs have no batch axis, and their
    first side may be any.
    ``open_outputs``: the file does not tell the sides of its outputs, as exports with dynamic shapes don't.
    """
    onnx = pytest.importorskip("onnx")
    helper, taken = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    dtype = "float32" if dtype == "uint8" else dtype  # of what it computes with
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    width, height = size
    sides = [height or "height", width or "width"]
    sides = [*sides, 3] if channels_last else [3, *sides]
    dims = sides if batch == 0 else [batch or "batch", *sides]
    nodes = [helper.make_node("Cast", [input_name], ["pixels"], to=kind)]
    axes = [] if rows_only else [1, 2, 3]
    nodes.append(helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0, **({"axes": axes} if axes else {})))
    nodes.append(helper.make_node("Mul", ["mean", "zero"], ["nothing"]))
    constants = [onnx.numpy_helper.from_array(np.zeros(1, dtype), "zero")]
    infos = []
    for key, value in outputs.items():
        given = value if rows_only else value[None]
        shape = np.array([-1, *[1] * (given.ndim - 1)], np.int64)
        whole = np.issubdtype(value.dtype, np.integer)
        kept = helper.np_dtype_to_tensor_dtype(value.dtype) if whole else kind
        constants.append(onnx.numpy_helper.from_array(given.astype(value.dtype if whole else dtype), f"{key}_value"))
        constants.append(onnx.numpy_helper.from_array(shape, f"{key}_shape"))
        nodes.append(helper.make_node("Reshape", ["nothing", f"{key}_shape"], [f"{key}_float"]))
        nodes.append(helper.make_node("Cast", [f"{key}_float"], [f"{key}_nothing"], to=kept))
        nodes.append(helper.make_node("Add", [f"{key}_value", f"{key}_nothing"], [key]))
        shown = [f"{key}_{i}" for i in range(value.ndim)] if open_outputs else list(value.shape)
        shown = [f"{key}_rows", *shown[1:]] if rows_only else [batch or "batch", *shown]
        infos.append(helper.make_tensor_value_info(key, kept, shown))
    inputs = [helper.make_tensor_value_info(input_name, taken, dims)]
    inputs += [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["rows", 2]) for name in more_inputs]
    graph = helper.make_graph(nodes, "tiny", inputs, infos, initializer=constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path


def maker_in(folder: Path) -> MakeGraph:
    """A ``made_graph`` that puts its files into a folder."""

    def make(outputs: Mapping[str, NDArray[Any]], *, name: str = "tiny.onnx", **options: Any) -> Path:
        return made_graph(folder / name, outputs, **options)

    return make
