"""Which models there are by name, and the file behind a name or a path. Looks at names and sizes; loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sightline import profiles
from sightline.core.errors import ConfigError
from sightline.core.registry import plugins
from sightline.core.types import ModelCard
from sightline.engines.base import unavailable
from sightline.profiles import TENSORS, Profile
from sightline.zoo.store import PRECISIONS, Cache, Precision
from sightline.zoo.store.verify import megabytes


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a spec stands for."""

    profile: Profile | None
    graph: Path | None
    """An ONNX file."""
    tensors: Path | None
    """The weights that a network is built for, where there is no graph or besides it."""
    cached: bool = False
    """That the profile's files in the cache are meant: their hashes are known."""


def list_models() -> list[ModelCard]:
    """All models that have a name: built in, shipped, and profiles, of which the weights may have to be got."""
    builtin = [plugin.builtin() for plugin in plugins("models").values() if hasattr(plugin, "builtin")]
    shipped = [
        replace(msgspec.json.decode(path.with_suffix(".json").read_bytes(), type=ModelCard), path=str(path))
        for path in profiles.shipped().values()
    ]
    return sorted(builtin + shipped, key=lambda card: card.name) + [
        card_of(profiles.load(name)) for name in profiles.names()
    ]


def card_of(profile: Profile) -> ModelCard:
    """A profile's card in the form that all models have."""
    return ModelCard(
        name=profile.name,
        family=profile.family,
        task=profile.task,
        labels=profile.labels,
        input_size=profile.input_size,
        licence=profile.licence,
        source=profile.source,
        size_bytes=profile.bytes,
        description=profile.description,
    )


def offered(cache: Path | None = None, *, device: str = "cpu") -> list[str]:
    """The names of models that load here without anything being downloaded or installed."""
    named = [*builtin_names(), *profiles.shipped()]
    return sorted(named) + [
        name for name in profiles.names() if lacks(profiles.load(name), Cache(cache), device) is None
    ]


def lacks(profile: Profile, cache: Cache, device: str = "cpu") -> str | None:
    """Why a profile can't be loaded here now, with the command that mends it; None if it can."""
    if graph_in(cache, profile) is not None:
        return None
    missing = cache.missing(profile)
    if missing:
        size = megabytes(sum(file.bytes for file in missing))
        return f"profile {profile.name}: its weights are not here ({size}); run: sightline models pull {profile.name}"
    return lacks_torch(profile, device)


def lacks_torch(profile: Profile, device: str = "cpu") -> str | None:
    """Why the network of a profile can't be built here; None if it can or if there is no need to."""
    if profile.architecture == "onnx":
        return None
    missing = unavailable("torch", device)
    if missing is None:
        return None
    return (
        f"profile {profile.name}: {missing}. Or without it: where torch is, run sightline models "
        f"export {profile.name}, and bring its folder profiles/{profile.name} of the cache here: "
        "sightline models import FOLDER"
    )


def graph_in(cache: Cache, profile: Profile, precisions: Sequence[Precision] = PRECISIONS) -> Path | None:
    """A profile's ONNX file in the cache: the weights themselves, or an export."""
    if profile.architecture == "onnx":
        return None if cache.missing(profile) else cache.folder(profile) / profile.weights.name
    exports = (cache.export(profile, precision) for precision in precisions)
    return next((path for path in exports if path.is_file()), None)


def find(
    spec: str | Profile, *, cache: Path | None = None, weights: Path | None = None, halves_first: bool = False
) -> ModelFiles:
    """What a spec stands for that is not built in. Raises ConfigError where nothing can be loaded.

    ``weights`` is used in place of a profile's own. ``halves_first``: an export in fp16 is better than one in fp32.
    """
    profile = profiles.load(spec) if isinstance(spec, str) and spec in profiles.names() else spec
    if isinstance(profile, str):
        if weights is not None:
            raise ConfigError(f"weights {weights}: the model {spec!r} is no profile; give the file to --model itself")
        return ModelFiles(None, _file(profile), None)
    if weights is not None:
        kind = weights.suffix.lower()
        if not weights.is_file():
            raise ConfigError(f"weights {weights}: no such file")
        if kind not in TENSORS:
            raise ConfigError(f"weights {weights}: expected a file that ends in {', '.join(TENSORS)}")
        if kind == ".onnx":
            return ModelFiles(profile, weights, None)
        if profile.architecture == "onnx":
            raise ConfigError(f"weights {weights}: the weights of {profile.name} are an .onnx file")
        return ModelFiles(profile, None, weights)
    there = Cache(cache)
    graph = graph_in(there, profile, PRECISIONS[::-1] if halves_first else PRECISIONS)
    tensors = None
    if profile.architecture != "onnx" and not there.missing(profile):
        tensors = there.folder(profile) / profile.weights.name
    if graph is None and tensors is None:
        raise ConfigError(lacks(profile, there) or "")
    return ModelFiles(profile, graph, tensors, cached=True)


def engines_for(
    spec: str, engines: Sequence[str], *, cache: Path | None = None, weights: Path | None = None
) -> list[str]:
    """Those of the engines that can run what a spec stands for: torch takes weights, all others graphs."""
    if spec in builtin_names():
        return []
    try:
        found = find(spec, cache=cache, weights=weights)
    except ConfigError:
        return []
    return [name for name in engines if (found.tensors if name == "torch" else found.graph) is not None]


def builtin_names() -> list[str]:
    """The models that need no weights."""
    return [name for name, plugin in plugins("models").items() if hasattr(plugin, "builtin")]


def _file(spec: str) -> Path:
    path = profiles.shipped().get(spec, Path(spec))
    if not path.is_file():
        known = [*sorted([*builtin_names(), *profiles.shipped()]), *profiles.names()]
        raise ConfigError(
            f"model {spec!r}: no such file, and no model of that name; expected the path of an .onnx file "
            f"or one of: {', '.join(known)}"
        )
    if path.suffix.lower() != ".onnx":
        raise ConfigError(f"model {spec!r}: expected an .onnx file; export the model to ONNX first")
    return path
