"""What sinks share. A file ``sinks/NAME.py`` is a sink; it has

- ``open(target) -> Sink``: ``target`` is a path as a person types it. Raises SinkError if it can't be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sightline.core.errors import SinkError
from sightline.core.types import Image, Result


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One result on its way into the sinks."""

    result: Result
    image: Image
    """The source's picture, full size."""
    drawn: Image | None
    """The same with the prediction drawn in, where a sink asked for it."""
    source: str
    """The file's name, or the camera's."""
    images: bool
    """True if the source's pictures each have a name of their own."""


class Sink(Protocol):
    """Takes results in order, from one thread. Whatever moment the process dies, what was written can be read."""

    target: str
    """Where it writes, as it was named."""
    wants_drawn: bool
    """True if entries must have ``drawn``."""

    def write(self, entry: Entry) -> None:
        """Write one. Raises SinkError."""
        ...

    def close(self) -> None:
        """Complete the output. Raises SinkError. May be called twice."""
        ...


@contextmanager
def writing(target: str) -> Iterator[None]:
    """Turns an OSError into a SinkError that names the target."""
    try:
        yield
    except OSError as e:
        raise SinkError(f"{target}: can't be written: {e.strerror or e}") from e


def writable_file(target: str) -> Path:
    """The path, with a file there: an empty one if there was none. Raises SinkError if it can't be written."""
    path = Path(target)
    if not path.parent.is_dir():
        raise SinkError(f"{target}: there is no folder {path.parent}; make it first")
    with writing(target), path.open("ab"):
        return path


def write_whole(path: Path, data: bytes) -> None:
    """Write a file: whole, or not at all. Raises SinkError."""
    part = path.with_name(path.name + ".part")
    with writing(str(path)):
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise


class Names:
    """Names for files of which there is one for each result: the picture's, or the frame's number."""

    def __init__(self, ending: str) -> None:
        self._ending = ending
        self._taken: set[str] = set()

    def of(self, entry: Entry) -> str:
        """The next file's name."""
        if not entry.images:
            return f"{entry.result.frame.seq:06d}{self._ending}"
        name = Path(entry.source).stem
        if name in self._taken:  # a.jpg and a.png in one folder
            name = entry.source
        self._taken.add(name)
        return f"{name}{self._ending}"
