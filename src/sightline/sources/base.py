"""Helpers shared by sources. A file ``sources/NAME.py`` is a source. It has

- ``WHAT``, words and an example for how to name one, used in error messages;
- ``handles(spec) -> bool``, a cheap check whether the spec is for this source;
- ``open(spec) -> Source``, which raises SourceError.

A spec may be an address with a password. Names, messages and logs must therefore use ``shown(spec)``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias
from urllib.parse import urlsplit

from sightline.core.errors import FAULTS, SightlineError, SourceError, cancelled, told
from sightline.core.registry import answers, plugins
from sightline.core.types import Encoded, Image

PICTURES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff"))
"""Suffixes of files that are single pictures. AVIFs are too: see ``is_picture``."""
IDLE_S = 1.0
"""Maximum age in seconds of a picture while nobody wants any."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One picture of a source."""

    image: Image
    timestamp: float
    """Seconds, from the start of a file, or since 1970 for a camera."""
    name: str
    """Name of the file or the camera."""
    fresh: bool = True
    """False if this is an earlier picture again, because the source is idle."""
    damaged: bool = False
    """True if a part of the picture is missing or wrong."""
    pts: int | None = None
    """Time of its packet, where the source's ``tee`` copied that; else None."""
    at: float | None = None
    """When it was taken, seconds since 1970, where a source that is not live knows that."""
    undecoded: Encoded | None = None
    """The picture itself, where the source did not decode it: ``image`` is an earlier one then. Only who sets the
    source's ``undecoded``, if it has that, gets such shots, and fresh ones."""


Tee: TypeAlias = Callable[[Any], bool]
"""Given each packet of a source as it came, before it is decoded; returns whether it is copied."""
UNTIMED = -1
"""``Shot.pts`` where the packet has no time."""
Lose: TypeAlias = Callable[[str, int], None]
"""Told why pictures that came are left out, and how many. late: this machine could not keep up. undecodable: damaged.
unwatched: the source is idle.
"""


def unnoticed(reason: str, count: int) -> None:
    """Forget what is left out."""


class Source(Protocol):
    """Pictures, one after the other. Use it in ``with`` and iterate it once; it holds only one shot at a time."""

    name: str
    """Name to show to people."""
    total: int | None
    """Expected number of shots, as the file states it, so not reliable; None if unknown."""
    fps: float | None
    """Shots per second; None if unknown."""
    live: bool
    """Whether shots that are not taken at once are lost."""
    images: bool
    """Whether every shot is a separate picture with its own name."""
    unreadable: int
    """Number of files or parts of a file that could not be read and were left out so far. The log warns of them."""
    idle: bool
    """Set by the reader at any time: True while nobody wants to see shots, so that the source may save work. It
    gives a shot at least every IDLE_S, if pictures come; most have an earlier picture and are not ``fresh``."""
    lose: Lose
    """Set by the reader before it iterates; called, in any thread, for pictures that came and are not among the
    shots."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def __iter__(self) -> Iterator[Shot]:
        """Yield the shots. Raises SourceError if the source fails."""
        ...


def poll_s(source: Source) -> float | None:
    """Seconds after which a source may be opened again for a newer picture; None for most.

    A source says so in its attribute ``poll_s``, if it is a camera that gives one picture at a time.
    """
    wished: float | None = getattr(source, "poll_s", None)
    return wished


def open_source(spec: str, *, foreign: bool = False, data: Callable[[], Path] | None = None) -> Source:
    """Open the source that ``spec`` names. Raises SourceError, which lists the possible specs.

    ``foreign``: a client of the server names it. Plugins that have to be careful then have an ``open_foreign``.
    ``data``: gives the data folder of who asks, for plugins that have an ``open_in``; None for that of the settings.
    """
    try:
        plugin = find_source(spec)
        source: Source
        if data is not None and hasattr(plugin, "open_in"):
            source = plugin.open_in(spec, data())
        else:
            source = getattr(plugin, "open_foreign", plugin.open)(spec) if foreign else plugin.open(spec)
    except SightlineError:
        raise
    except FAULTS as e:  # a plugin's
        if cancelled(e):
            raise
        raise SourceError(f"{shown(spec)} can't be opened: {told(e).replace(spec, shown(spec))}") from e
    return source


def find_source(spec: str) -> Any:
    """The plugin that opens ``spec``. Raises SourceError, which lists the possible specs."""
    found = plugins("sources")
    known = ", ".join(plugin.WHAT for plugin in found.values())
    if not spec:  # as of a shell's variable that is not set; as a path it would be the current folder
        raise SourceError(f"no source is named; expected one of: {known}")
    for name, handles in answers("sources", "handles", spec).items():
        if handles:
            return found[name]
    if "://" not in spec and not Path(spec).exists():
        raise SourceError(f"{spec}: no such file or folder; expected one of: {known}")
    raise SourceError(f"{shown(spec)}: not a source that can be read; expected one of: {known}")


def is_picture(path: Path) -> bool:
    """Whether a file is a single picture: by its suffix, or as an AVIF that is no animation."""
    if path.suffix.lower() in PICTURES:
        return True
    if not path.is_file():  # a pipe would be waited for
        return False
    from sightline.media import avif  # which needs OpenCV, as this module must not

    try:
        with path.open("rb") as file:
            return avif.is_still(file.read(64))
    except OSError:
        return False


def printable(name: str) -> str:
    """A file's name as text. Names that are not UTF-8 get a � for what can't be read."""
    return os.fsencode(name).decode("utf-8", "replace")


def shown(spec: str) -> str:
    """``spec`` without secrets. Only scheme, host and port of an address are kept.

    Path and query are removed as well as ``user:password@``, because some cameras take passwords there.
    """
    scheme, mark, rest = spec.partition("://")
    if not mark:
        return printable(spec)
    try:
        # A password may contain a / that should have been %2F, so everything before the last @ is removed.
        parts = urlsplit("//" + rest.rpartition("@")[2])
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return f"{scheme}://..."
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}" + (f":{port}" if port else "")
