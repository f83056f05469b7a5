"""Check of a model's file that somebody sent, before a runtime opens it. It is read as data, in small steps.

An ONNX file may name other files of this machine as its tensors (external data), which a runtime would read.
Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from sightline.core.errors import ModelError
from sightline.engines.base import check_file
from sightline.zoo.refusals import EXPORTS

ARCHIVES = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zX": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"Rar!": "a rar archive",
}
"""What a file is, by its first bytes."""
DEEPEST = 100
"""Messages within messages, as in Protocol Buffers' own readers."""
MOST_NUMBER = 1 << 29
"""Field numbers end below that."""
VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
FIRST = frozenset((0x08, 0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72))
"""First bytes that a model may have: a field of its own, and its wire type."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a tensor that lies in another file."""

Kind: TypeAlias = str
INSIDE: Mapping[Kind, Mapping[int, Kind]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}
"""Fields that lead to tensors, by the message that they are in."""


class Field(NamedTuple):
    """A field of a message."""

    kind: Kind
    """The message that it is in."""
    number: int
    wire: int
    value: int
    """Its number where it is one; else 0."""


def check_start(path: Path) -> None:
    """Raise ModelError for what its first bytes tell is no ONNX file. Quick, whatever follows."""
    check_file(path)
    if path.suffix.lower() in EXPORTS:  # the loader says what to do with it
        return
    with path.open("rb") as file:
        data = file.read(8)
    archive = next((what for start, what in ARCHIVES.items() if data.startswith(start)), None)
    if archive is not None:
        raise ModelError(f"{path} is {archive}: unpack it, and send the .onnx file that is in it")
    if data[0] not in FIRST:
        raise _none(path, "it does not begin like one")


def check_foreign(path: Path) -> None:
    """Raise ModelError for what is no ONNX file, or one that names other files. The time it takes is the caller's."""
    check_start(path)
    if path.suffix.lower() in EXPORTS:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        graph = False
        for field in _fields(path, data):
            graph = graph or (field.kind == "model" and field.number == 7 and field.wire == BYTES)
            if field.kind == "tensor" and _outside(field):
                raise ModelError(
                    f"{path}: some of its tensors lie in another file, which is not read. Put all into one file: "
                    f"onnx.save(onnx.load('{path.name}'), 'whole.onnx') where both files are"
                )
        if not graph:
            raise _none(path, "it has no graph")


def _outside(field: Field) -> bool:
    return field.number == EXTERNAL_DATA or (field.number == DATA_LOCATION and field.value != 0)


def _fields(path: Path, data: mmap.mmap) -> Iterator[Field]:
    """Yield the fields of a model, each before those inside it. Raises ModelError for what is no model."""
    at, end = 0, len(data)
    kind: Kind = "model"
    left: list[tuple[int, int, Kind]] = []
    """Messages whose rest is still to be read."""
    while True:
        while at < end:
            key, at = _varint(path, data, at, end)
            number, wire, value = key >> 3, key & 7, 0
            if not 0 < number < MOST_NUMBER:
                raise _none(path, f"a field of the number {number}")
            if wire == VARINT:
                value, at = _varint(path, data, at, end)
                yield Field(kind, number, wire, value)
                continue
            size = {FIXED_64: 8, FIXED_32: 4}.get(wire)
            if wire == BYTES:
                size, at = _varint(path, data, at, end)
            if size is None or size > end - at:
                raise _none(path, f"it breaks off, or is damaged, at byte {at}")
            yield Field(kind, number, wire, 0)
            inner = INSIDE[kind].get(number) if wire == BYTES else None
            if inner is None:
                at += size
                continue
            if len(left) >= DEEPEST:
                raise _none(path, f"graphs within graphs, more than {DEEPEST} deep")
            left.append((at + size, end, kind))
            end, kind = at + size, inner
        if not left:
            return
        at, end, kind = left.pop()


def _varint(path: Path, data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Return a varint and where it ends."""
    value = 0
    for i in range(min(10, end - at)):
        byte = data[at + i]
        value |= (byte & 127) << (7 * i)
        if byte < 128:
            return value, at + i + 1
    raise _none(path, f"it breaks off, or is damaged, at byte {at}")


def _none(path: Path, why: str) -> ModelError:
    return ModelError(f"{path} is no ONNX file: {why}")
