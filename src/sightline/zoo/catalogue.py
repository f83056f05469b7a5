"""Models by name, and the file for a name or a path. Reads only names and sizes; loads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sightline import profiles
from sightline.core.errors import ConfigError
from sightline.core.registry import answers, load, plugins
from sightline.core.types import ModelCard
from sightline.engines import _address
from sightline.engines.base import unavailable
from sightline.profiles import TENSORS, Profile
from sightline.zoo.refusals import export_of
from sightline.zoo.store import PRECISIONS, Cache, Precision
from sightline.zoo.store.verify import megabytes


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Files that a spec stands for."""

    profile: Profile | None
    graph: Path | None
    """The ONNX file; None if there is none."""
    tensors: Path | None
    """The weights to build a network from; None if there are none."""
    cached: bool = False
    """Whether the files are the profile's own in the cache, so that their hashes are known."""


def list_models() -> list[ModelCard]:
    """All models that have a name: built in, shipped, and profiles, of which the weights may have to be got."""
    builtin = list(answers("models", "builtin").values())
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


def lacks(profile: Profile, cache: Cache, device: str = "cpu") -> str | None:
    """Reason why a profile can't be loaded here now, with the command that fixes it; None if it can."""
    if graph_in(cache, profile) is not None:
        return None
    missing = cache.missing(profile)
    if missing:
        size = megabytes(sum(file.bytes for file in missing))
        return f"profile {profile.name}: its weights are not here ({size}); run: sightline models pull {profile.name}"
    return lacks_torch(profile, device)


def gettable(profile: Profile, cache: Cache, device: str = "cpu") -> int:
    """Bytes whose download is all that a profile needs to be loaded here; 0 if it needs nothing, or more."""
    if graph_in(cache, profile) is not None or lacks_torch(profile, device) is not None:
        return 0
    return sum(file.bytes for file in cache.missing(profile))


def lacks_torch(profile: Profile, device: str = "cpu") -> str | None:
    """Reason why a profile's network can't be built here; None if it can, or if that is not needed."""
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
    """A profile's ONNX file in the cache, either its weights or an export; None if there is none."""
    if profile.architecture == "onnx":
        return None if cache.missing(profile) else cache.folder(profile) / profile.weights.name
    exports = (cache.export(profile, precision) for precision in precisions)
    return next((path for path in exports if path.is_file()), None)


def find(
    spec: str | Profile, *, cache: Path | None = None, weights: Path | None = None, halves_first: bool = False
) -> ModelFiles:
    """Return the files of a spec that is not built in. Raises ConfigError where nothing can be loaded.

    ``weights`` replaces a profile's own. With ``halves_first``, an fp16 export is preferred to an fp32 one.
    """
    profile = profiles.load(spec) if isinstance(spec, str) and spec in profiles.names() else spec
    if isinstance(profile, str):
        if weights is not None:
            raise ConfigError(f"weights {weights}: the model {spec!r} is no profile; give the file to --model itself")
        return ModelFiles(None, _file(profile, cache), None)
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
    """The engines that can run a spec: torch takes weights, all others take graphs."""
    if spec in builtin_names():
        return []
    try:
        found = find(spec, cache=cache, weights=weights)
    except ConfigError:
        return []
    files = {path.suffix.lower() for path in (found.graph, found.tensors) if path is not None}
    return [name for name in engines if files & set(reads(name))]


def reads(engine: str) -> Sequence[str]:
    """Endings of the files that an engine reads."""
    endings: Sequence[str] = getattr(load("engines", engine), "READS", (".onnx",))
    return endings


def only_reader(path: Path) -> str | None:
    """The engine for a file that is no graph but has an address; None for others."""
    return "kserve" if path.suffix.lower() == _address.SUFFIX else None


def name_of(spec: str) -> str:
    """Name of a model that the settings give no other. Raises ConfigError for an address that is none."""
    if spec.startswith(_address.PREFIX):
        return _address.parse(spec).model
    path = Path(spec)
    return path.stem if path.suffix else spec


def builtin_names() -> list[str]:
    """The models that need no weights."""
    return [name for name, plugin in plugins("models").items() if hasattr(plugin, "builtin")]


def _file(spec: str, cache: Path | None) -> Path:
    if spec.startswith(_address.PREFIX):
        return Cache(cache).address(_address.parse(spec))
    path = profiles.shipped().get(spec, Path(spec))
    if not path.is_file():
        known = [*sorted([*builtin_names(), *profiles.shipped()]), *profiles.names()]
        raise ConfigError(
            f"model {spec!r}: no such file, and no model of that name; expected the path of an .onnx file, "
            f"kserve: and an inference server's address, or one of: {', '.join(known)}"
        )
    if path.suffix.lower() == _address.SUFFIX:
        _address.read(path)
    elif path.suffix.lower() != ".onnx":
        raise ConfigError(f"model {spec!r}: expected an .onnx file; {export_of(path)}")
    return path
