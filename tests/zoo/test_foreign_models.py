"""Files that somebody sends as models: what is no ONNX file, and what names other files of this machine, is refused."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.core.errors import ModelError
from sightline.profiles import WEIGHTS
from sightline.zoo.foreign import DEEPEST, check_foreign

onnx = pytest.importorskip("onnx")
protobuf = pytest.importorskip("google.protobuf.message")
helper = onnx.helper


def outside(name: str = "stolen") -> Any:
    """A tensor that lies in another file."""
    tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.UINT8, dims=[16])
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../../../etc/passwd")
    return tensor


def named_only() -> Any:
    """One that does not say where it lies, but where to look."""
    tensor = outside()
    tensor.ClearField("data_location")
    return tensor


def graph(*nodes: Any, tensors: tuple[Any, ...] = ()) -> Any:
    return helper.make_graph(list(nodes), "made", [], [], initializer=list(tensors))


def sparse() -> Any:
    plain = onnx.numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    return helper.make_sparse_tensor(outside("values"), plain, [16])


def constant(**attribute: Any) -> Any:
    return helper.make_node("Constant", [], ["x"], **attribute)


def within(inner: Any) -> Any:
    """A graph in a branch of another one."""
    return graph(helper.make_node("If", ["c"], ["x"], then_branch=inner, else_branch=graph()))


def in_function() -> Any:
    model = helper.make_model(graph())
    opset = [helper.make_opsetid("", 18)]
    model.functions.append(helper.make_function("own", "f", [], ["x"], [constant(value=outside())], opset))
    return model


def in_training() -> Any:
    model = helper.make_model(graph())
    model.training_info.add().initialization.CopyFrom(graph(tensors=(outside(),)))
    return model


PLACES: dict[str, Callable[[], Any]] = {
    "a weight": lambda: helper.make_model(graph(tensors=(outside(),))),
    "a weight without its mark": lambda: helper.make_model(graph(tensors=(named_only(),))),
    "an attribute": lambda: helper.make_model(graph(constant(value=outside()))),
    "a sparse attribute": lambda: helper.make_model(graph(constant(sparse_value=sparse()))),
    "a branch": lambda: helper.make_model(within(within(graph(tensors=(outside(),))))),
    "a function": in_function,
    "its training": in_training,
}


@pytest.mark.parametrize("place", PLACES)
def test_tensors_of_other_files_are_found_wherever_they_are_named(tmp_path: Path, place: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(PLACES[place]().SerializeToString())
    with pytest.raises(ModelError, match=r"lie in another file.*onnx\.save"):
        check_foreign(path)


def test_models_that_stand_alone_pass() -> None:
    for name in ("nano", "person"):
        check_foreign(WEIGHTS / f"{name}.onnx")


def zipped(data: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", data)
    return held.getvalue()


def deep() -> bytes:
    """Branches within branches, further than any reader goes."""
    inner = b""
    for _ in range(DEEPEST):  # a node with an attribute with a graph
        for key in (0x32, 0x2A, 0x0A):
            inner = bytes([key]) + _length(len(inner)) + inner
    return b"\x3a" + _length(len(inner)) + inner


def _length(size: int) -> bytes:
    made = bytearray()
    while size > 127:
        made.append(size & 127 | 128)
        size >>= 7
    return bytes([*made, size])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"hello", "does not begin like one"),
        (b"\x08\x08", "it has no graph"),
        (zipped(bytes(10_000_000)), "a zip archive: unpack it"),
        (gzip.compress(b"x"), "a gzip archive: unpack it"),
        ((WEIGHTS / "person.onnx").read_bytes()[:-1], "it breaks off"),
        (b"\x08\x08\x3b\x3c", "damaged"),  # a group, which ONNX has none of
        (b"\x3a" + b"\xff" * 9 + b"\x01", "breaks off"),  # a graph of 2 ** 64 bytes
        (deep(), "graphs within graphs"),
    ],
    ids=["empty", "text", "no graph", "zip", "gzip", "cut", "group", "long", "deep"],
)
def test_what_is_no_model_is_refused_with_what_it_is(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=says):
        check_foreign(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.integers(0, 400), st.booleans())
def test_whatever_bytes_come_they_pass_or_are_refused(tmp_path: Path, noise: bytes, at: int, over: bool) -> None:
    """Nothing but ModelError, and what passes names no other file for Protocol Buffers' own reader either."""
    model = PLACES["a branch"]().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(model[:at] + noise + model[at + len(noise) * over :])
    try:
        check_foreign(path)
    except ModelError:
        return
    read = onnx.ModelProto()
    try:
        read.ParseFromString(path.read_bytes())
    except protobuf.DecodeError:
        return
    assert b"etc/passwd" not in b"".join(t.SerializeToString() for t in tensors(read.graph))


def tensors(made: Any) -> list[Any]:
    found = list(made.initializer)
    for attribute in (a for node in made.node for a in node.attribute):
        found += [attribute.t, *attribute.tensors]
        found += [t for inner in (attribute.g, *attribute.graphs) for t in tensors(inner)]
    return found
