"""Helpers shared by sinks. A file ``sinks/NAME.py`` is a sink. It has

- ``open(target) -> Sink``, where ``target`` is a path as the user types it; raises SinkError if it can't be written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sightline.core.errors import SinkError
from sightline.core.events import Event
from sightline.core.types import FrameResult, Image


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One result on its way into the sinks."""

    result: FrameResult
    image: Image
    """The source's picture at full size."""
    drawn: Image | None
    """The same picture with the prediction drawn in; None if no sink wants it."""
    source: str
    """Name of the file or the camera."""
    images: bool
    """Whether each of the source's pictures has a name of its own."""


class Sink(Protocol):
    """Writes results in order, from one thread. What was written stays readable if the process dies at any moment."""

    target: str
    """The target as the user typed it."""
    wants_drawn: bool
    """Whether entries must have ``drawn``."""

    def write(self, entry: Entry) -> None:
        """Write one entry. Raises SinkError."""
        ...

    def close(self) -> None:
        """Complete the output. Raises SinkError. May be called twice."""
        ...


def tell(sink: Sink, events: Sequence[Event]) -> None:
    """Have a sink write events that belong to no entry, if it writes events: then it has a method ``tell``."""
    writes: Callable[[Sequence[Event]], None] | None = getattr(sink, "tell", None)
    if writes is not None:
        writes(events)


@contextmanager
def writing(target: str) -> Iterator[None]:
    """Turn an OSError into a SinkError that names the target."""
    try:
        yield
    except OSError as e:
        raise SinkError(f"{target}: can't be written: {e.strerror or e}") from e


def writable_file(target: str) -> Path:
    """The path of a target, which becomes an empty file if there is none. Raises SinkError if it can't be written."""
    path = Path(target)
    if not path.parent.is_dir():
        raise SinkError(f"{target}: there is no folder {path.parent}; make it first")
    with writing(target), path.open("ab"):
        return path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file atomically. Raises SinkError."""
    part = path.with_name(path.name + ".part")
    with writing(str(path)):
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


class Names:
    """File names for sinks with a file per result: the picture's name, or the frame's number."""

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._taken: set[str] = set()

    def of(self, entry: Entry) -> str:
        """Name of the entry's file."""
        if not entry.images:
            return f"{entry.result.frame.seq:06d}{self._ending}"
        name = Path(entry.source).stem
        if name in self._taken:  # a.jpg and a.png in one folder
            name = entry.source
        number = 1
        while name in self._taken:  # names that can't be told apart as text
            number += 1
            name = f"{Path(entry.source).stem}-{number}"
        self._taken.add(name)
        return f"{name}{self._ending}"
