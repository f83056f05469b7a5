"""``sightline models export``: write a profile's network as an ONNX file, so that serving it needs no PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sightline import profiles
from sightline.cli.ensure_weights import get
from sightline.core.errors import ConfigError, ModelError
from sightline.core.registry import load
from sightline.profiles import Profile
from sightline.settings.settings import load_settings
from sightline.settings.sources import check_profile
from sightline.zoo.catalogue import find
from sightline.zoo.store import PRECISIONS, Cache, Precision


def export(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A profile's name.")],
    precision: Annotated[str, typer.Option(help="fp32, or fp16 for graphics cards.")] = "fp32",
    out: Annotated[Path | None, typer.Option(help="Write the file there instead of into the cache.")] = None,
    weights: Annotated[
        Path | None, typer.Option(help="A file to be used in place of the profile's own weights; needs --out.")
    ] = None,
) -> None:
    """Turn a profile's network into an ONNX file that runs without PyTorch, and compare the two."""
    settings = load_settings()
    shipped = check_profile(name) not in profiles.names()
    if shipped or profiles.load(name).architecture == "onnx":
        typer.echo(f"{name} is an ONNX file already: there is nothing to export")
        return
    profile, cache = profiles.load(name), Cache(settings.cache)
    wanted = next((one for one in PRECISIONS if one == precision), None)
    if wanted is None:
        raise ConfigError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if weights is not None:
        if out is None:
            raise ConfigError(f"weights {weights}: the cache is for the profile's own; add --out FILE.onnx")
        find(profile, weights=weights)
    _check_extra(profile)
    if weights is None and cache.missing(profile):
        get(profile, cache, settings.weights_url)
    typer.echo(f"writing {name} as ONNX and comparing the two; this takes a minute or more")
    path = export_profile(profile, cache, wanted, out, weights=weights)
    typer.echo(f"{path}: {path.stat().st_size / 1e6:.1f} MB, says the same as the network")


def export_profile(
    profile: Profile,
    cache: Cache,
    precision: Precision = "fp32",
    out: Path | None = None,
    threads: int | None = None,
    weights: Path | None = None,
) -> Path:
    """Write a profile's ONNX file from ``weights``, by default from the cache and into the cache.

    The file gets its name only when it is complete and agrees with the network. Raises ModelError if it does not agree,
    ConfigError if PyTorch or something it needs is not installed.
    """
    _check_extra(profile)
    weights = weights or cache.check(profile)
    path = cache.export(profile, precision) if out is None else out
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise ConfigError(f"{path.parent} can't be made: {e.strerror}") from e
    with cache.lock(profile):
        beside = path.with_name(f"{path.stem}.new.onnx")
        try:
            _write(profile, weights, beside, precision)
            _compare(profile, weights, beside, threads)
            beside.replace(path)
        except OSError as e:
            raise ModelError(f"{path} can't be written: {e.strerror}") from e
        finally:
            beside.unlink(missing_ok=True)
    return path


def _check_extra(profile: Profile) -> None:
    engine = load("engines", "torch")
    missing = engine.available() or engine.lacking(profile.architecture)
    if missing is not None:
        raise ConfigError(f"exporting {profile.name}: {missing}")


def _write(profile: Profile, weights: Path, path: Path, precision: Precision) -> None:
    import torch

    from sightline.engines import _networks as networks
    from sightline.engines._tracing import trace
    from sightline.train.export import write_metadata

    words = profile.metadata()
    network, architecture, _ = networks.load(
        weights, words | {"architecture": profile.architecture}, config=profile.config
    )
    if precision == "fp16":
        network.to_precision(torch.float16)
    width, height = profile.input_size
    trace(network, path, (height, width), open_sides=architecture.open_sides)
    about = {"description": profile.description, "source": profile.source, "profile": profile.name}
    write_metadata(path, words | about)


def _compare(profile: Profile, weights: Path, made: Path, threads: int | None) -> None:
    """Raise ModelError unless file and network agree on a few pictures. Only one of them is in memory at a time."""
    from sightline.cli.agreement import ALL, disagreement, pictures
    from sightline.zoo.loader import load_model

    shown = pictures(*profile.input_size)
    said = []
    for engine, file in (("torch", weights), ("onnx", made)):
        model = load_model(profile, engine=engine, weights=file, threads=threads)
        said.append([model.predict([picture], options=[ALL])[0] for picture in shown])
        model.close()
    wrong = disagreement(*said)
    if wrong is not None:
        raise ModelError(
            f"{profile.name}: the exported file does not say what the network says: {wrong}. It is not kept"
        )
