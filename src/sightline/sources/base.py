"""What sources share. A file ``sources/NAME.py`` is a source; it has

- ``WHAT``: how a person names one, for the message when nothing fits;
- ``handles(spec) -> bool``: whether this is one of its own, cheaply;
- ``open(spec) -> Source``: raises SourceError.

An address may hold a password. Nothing but ``spec`` itself may: names, messages and logs have ``shown(spec)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from sightline.core.errors import SourceError
from sightline.core.registry import plugins
from sightline.core.types import Image

PICTURES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"))
"""Endings of files that are single pictures."""
IDLE_S = 1.0
"""So old a picture may be while nobody wants any."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture of a source."""

    image: Image
    timestamp: float
    """Seconds: from the start of a file, since 1970 for a camera."""
    name: str
    """The file's name, or the camera's."""
    fresh: bool = True
    """False: an earlier picture again, because the source is idle."""


class Source(Protocol):
    """Pictures, one after the other. Use it in ``with`` and iterate it once; only one shot is held at a time."""

    name: str
    """What a person would call it."""
    total: int | None
    """How many shots there will be, where that is known; a file's own word, so not to be relied on."""
    fps: float | None
    """Shots a second, where that is known."""
    live: bool
    """True if shots that are not taken at once are lost."""
    images: bool
    """True if every shot is a picture of its own, with its own name."""
    unreadable: int
    """Files or parts of a file that could not be read and were left out, so far; each is logged as a warning."""
    idle: bool
    """Set by who takes the shots, at any time: nobody wants to see them, so a source may spare itself work. It goes on
    giving shots at its pace, but most with an earlier picture and not ``fresh``."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Shot]:
        """The shots. Raises SourceError if the source breaks down."""
        ...


def open_source(spec: str) -> Source:
    """The source that ``spec`` names. Raises SourceError, which lists what can be named."""
    source: Source = find_source(spec).open(spec)
    return source


def find_source(spec: str) -> Any:
    """The plugin that opens ``spec``. Raises SourceError, which lists what can be named."""
    found = plugins("sources").values()
    for plugin in found:
        if plugin.handles(spec):
            return plugin
    known = ", ".join(plugin.WHAT for plugin in found)
    if "://" not in spec and not Path(spec).exists():
        raise SourceError(f"{spec}: no such file or folder; expected one of: {known}")
    raise SourceError(f"{shown(spec)}: not a source that can be read; expected one of: {known}")


def shown(spec: str) -> str:
    """``spec`` as it may be read by anybody: of an address scheme, host and port.

    Not only ``user:password@`` goes: cameras take passwords in the path and the query, too.
    """
    scheme, mark, rest = spec.partition("://")
    if not mark:
        return spec
    try:
        # A password may have a / that should have been %2F: what stands before the last @ is never shown.
        parts = urlsplit("//" + rest.rpartition("@")[2])
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{scheme}://..."
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + (f":{port}" if port else "")
