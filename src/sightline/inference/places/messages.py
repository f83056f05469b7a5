"""What a server and the process of a model say to each other: msgpack, never pickle, in both directions.

A message is four bytes of its length and a map. JPEGs follow the message that names them, one after the other; pixels
lie in memory that both see. What comes from the process is read as warily as what comes from a peer: it may have been
taken over by the bytes that it decoded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from sightline.core.errors import ModelError
from sightline.core.predictions import Prediction
from sightline.inference.place import ModelFacts
from sightline.models.base import Options
from sightline.zoo.options import LoadOptions

LENGTH = 4
MOST_BYTES = 1 << 28
"""Longest message that is believed."""
_ARRAY = 1
"""Code of an array among msgpack's extension types."""


class LoadRequest(Struct, frozen=True, tag="load"):
    """The first message to the process."""

    spec: str
    name: str
    """Name under which the model is offered."""
    options: LoadOptions
    static_skip: bool
    memory_bytes: int | None
    """Memory beyond which the process ends; None for no limit."""
    log_level: int
    foreign: bool = False
    """Whether somebody sent the file, so that it is looked at before any runtime opens it."""


class PictureMessage(Struct, frozen=True, array_like=True):
    """One picture that the model is asked about."""

    stream: str
    seq: int
    received_at: float
    width: int
    height: int
    jpeg_bytes: int | None
    """Size of the JPEG that follows; None where pixels lie in the common memory."""
    offset: int
    """Where its pixels begin there."""
    options: Options
    last: float | None
    orientation: int = 1
    """How the JPEG is turned."""
    damaged: bool = False
    """Whether the JPEG lacks its end."""


class RunRequest(Struct, frozen=True, tag="run"):
    """A batch of pictures. The answer is ``AnswersMessage``."""

    pictures: tuple[PictureMessage, ...]
    gone: tuple[str, ...]
    pixels: int
    """Which of the common memories has the pixels."""


class ReadyMessage(Struct, frozen=True, tag="ready"):
    """The model is loaded."""

    info: ModelFacts
    peak_bytes: int


class RefusedMessage(Struct, frozen=True, tag="refused"):
    """The process ends: the model can't be loaded, or it takes too much."""

    code: str
    """That of the error, see ``core.errors``."""
    message: str


class LogMessage(Struct, frozen=True, tag="log"):
    """A line for the server's log."""

    level: int
    message: str
    traceback: str | None


class AnswersMessage(Struct, frozen=True, tag="answers"):
    """One answer for each picture, in their order."""

    answers: tuple[AnswerMessage, ...]
    peak_bytes: int
    """Most memory that the process ever had."""


class InferredMessage(Struct, frozen=True, tag="inferred"):
    """See ``infer.Inferred``."""

    kind: str
    """The class of the prediction."""
    fields: dict[str, Any]
    stages: dict[str, float]
    started: float


class SameMessage(Struct, frozen=True, tag="same"):
    """See ``infer.Same``."""

    started: float
    took_ms: float


class FailedMessage(Struct, frozen=True, tag="failed"):
    """See ``infer.NotInferred``."""

    message: str


AnswerMessage: TypeAlias = InferredMessage | SameMessage | FailedMessage
ToProcess: TypeAlias = LoadRequest | RunRequest
FromProcess: TypeAlias = ReadyMessage | RefusedMessage | LogMessage | AnswersMessage


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        head = msgspec.msgpack.encode((value.dtype.str, value.shape))
        return msgspec.msgpack.Ext(_ARRAY, bytes([len(head)]) + head + value.tobytes())
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a {type(value).__name__} can't leave the process of a model: expected arrays, numbers, words")


def _array(code: int, data: memoryview) -> NDArray[Any]:
    """Read an array. Raises ModelError for what is none."""
    if code != _ARRAY:
        raise ModelError(f"a value of the type {code}: expected an array")
    dtype, shape, size = _kind_and_shape(bytes(data[1 : 1 + data[0]]))
    body = data[1 + data[0] :]
    if size != len(body):
        raise ModelError(f"an array of {dtype} and shape {shape} in {len(body)} bytes")
    return np.frombuffer(bytearray(body), dtype).reshape(shape)


@lru_cache(256)  # a model's arrays are of few kinds
def _kind_and_shape(head: bytes) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Read an array's head: also how many bytes follow. Raises ModelError for one that is not made of numbers."""
    kind, shape = _head.decode(head)
    dtype = np.dtype(kind)
    if dtype.kind not in "biuf" or min(shape, default=0) < 0:
        raise ModelError(f"an array of {kind!r} and shape {shape}: expected numbers")
    return dtype, shape, math.prod(shape) * dtype.itemsize


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(kind)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_kinds: dict[str, type[Prediction]] = {}
_head = msgspec.msgpack.Decoder(tuple[str, tuple[int, ...]])
to_process = msgspec.msgpack.Decoder(ToProcess, dec_hook=_path)
"""Reads what the server says."""
from_process = msgspec.msgpack.Decoder(FromProcess, ext_hook=_array)
"""Reads what the process says. Raises whatever garbage makes it raise."""


def packed(message: ToProcess | FromProcess) -> bytes:
    """Return a message as it is sent. Raises TypeError for a prediction that is not made of arrays and words."""
    body = _encoder.encode(message)
    return len(body).to_bytes(LENGTH, "big") + body


def kind_named(name: str) -> type[Prediction] | None:
    """Return a class of predictions that this process knows by the name that goes over the wire; else None."""
    if name not in _kinds:  # a model's file that was imported meanwhile may have brought it
        _kinds.update({kind_of(one): one for one in _below(Prediction)})  # type: ignore[type-abstract]
    return _kinds.get(name)


def kind_of(prediction: type[Prediction]) -> str:
    """Return the name of a prediction's class."""
    return f"{prediction.__module__}:{prediction.__qualname__}"


def _below(parent: type[Prediction]) -> Iterator[type[Prediction]]:
    for child in parent.__subclasses__():
        yield child
        yield from _below(child)
