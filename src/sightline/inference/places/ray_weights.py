"""A model's files on another machine: taken from that machine's cache, else brought there once, through Ray.

What a person named by a path lies in ``CACHE/cluster/HASH`` there; a profile's files where ``models pull`` would put
them.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from sightline import profiles
from sightline.core.errors import ModelError
from sightline.inference.places.messages import LoadRequest
from sightline.settings.own_folder import cache_folder
from sightline.zoo.catalogue import builtin_names, find
from sightline.zoo.store import Cache

FOLDER = "cluster"


class Wanted(NamedTuple):
    """One file of a model."""

    source: str
    """Its path on the server's machine."""
    target: str
    """Its path in the cache of a machine."""
    size: int
    role: str = ""
    """``spec`` or ``weights``: what of the request it stands for; empty for what lies beside."""


def wanted_by(request: LoadRequest) -> tuple[Wanted, ...]:
    """Return the files that loading needs. Reads them whole: not for the event loop. Raises ConfigError or OSError."""
    given, how = request.spec, request.options
    found: list[Wanted] = []
    if how.weights is not None:
        found += _named(how.weights, "weights")
    if given in builtin_names() or given in profiles.shipped():
        return tuple(found)
    if given in profiles.names():
        return tuple(found) if found else tuple(_of_profile(given, how.cache))
    return (*_named(Path(given), "spec"), *found)


def lacking(wanted: Sequence[Wanted]) -> tuple[Wanted, ...]:
    """Return those that are not in this machine's cache."""
    return tuple(one for one in wanted if not _there(one))


def bring(one: Wanted, data: bytes) -> None:
    """Put a file into this machine's cache, completely or not at all. Raises ModelError or OSError."""
    path = _path(one)
    if len(data) != one.size:
        raise ModelError(f"{path.name} came with {len(data)} bytes: expected {one.size}")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    Path(name).replace(path)


def placed(request: LoadRequest, wanted: Sequence[Wanted]) -> LoadRequest:
    """Return the request with the paths that the files have on this machine."""
    path_of = {one.role: _path(one) for one in wanted if one.role}
    options = replace(request.options, cache=None, weights=path_of.get("weights"))
    return msgspec.structs.replace(request, options=options, spec=str(path_of.get("spec", request.spec)))


def _named(path: Path, role: str) -> Iterator[Wanted]:
    """A file that was named, and what tells more of it beside."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = PurePosixPath(FOLDER, digest[:32])
    yield Wanted(str(path), str(folder / path.name), path.stat().st_size, role)
    for beside in (path.with_suffix(".metadata.json"), path.with_suffix(".labels.txt"), path.with_name("labels.txt")):
        if beside.is_file():
            yield Wanted(str(beside), str(folder / beside.name), beside.stat().st_size)


def _of_profile(name: str, cache: Path | None) -> Iterator[Wanted]:
    found, there = find(name, cache=cache), Cache(cache)
    assert found.profile is not None, "it has the name of one"
    folder = there.folder(found.profile)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith("."):
            yield Wanted(str(path), path.relative_to(there.root).as_posix(), path.stat().st_size)


def _path(one: Wanted) -> Path:
    """Return where a file lies here. Raises ModelError for one that would lie outside of the cache."""
    target = PurePosixPath(one.target)
    if target.is_absolute() or ".." in target.parts:
        raise ModelError(f"a file of a model at {one.target!r}: expected one in the cache")
    return cache_folder() / target


def _there(one: Wanted) -> bool:
    try:
        return _path(one).stat().st_size == one.size
    except OSError:
        return False
