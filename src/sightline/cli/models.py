"""``sightline models``: list the models, and get or import their weights."""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sightline import profiles
from sightline.cli.ensure_weights import get
from sightline.cli.tables import print_table
from sightline.core.errors import ConfigError
from sightline.core.types import ModelCard
from sightline.profiles import Profile
from sightline.settings.settings import load_settings
from sightline.settings.sources import check_profile
from sightline.zoo import catalogue
from sightline.zoo.catalogue import card_of, graph_in, lacks_torch
from sightline.zoo.store import Cache
from sightline.zoo.store.adopt import adopt
from sightline.zoo.store.verify import megabytes

models = typer.Typer(help="List the models, get weights, bring them from elsewhere.", invoke_without_command=True)
JSON = typer.Option("--json", help="As JSON, with all labels.")


@models.callback()
def models_(context: typer.Context, as_json: Annotated[bool, JSON] = False) -> None:
    """List the models that have a name. Any supported ONNX file is one too: give its path to --model."""
    if context.invoked_subcommand is None:
        list_models(as_json)


@models.command("list")
def list_models(as_json: Annotated[bool, JSON] = False) -> None:
    """List the models that have a name, as without a command: also those that were sent to this user's server."""
    cards, cache = _cards(), Cache(load_settings().cache)
    if as_json:
        told = [asdict(card) | {"state": _state(card.name, cache)} for card in cards]
        typer.echo(msgspec.json.format(msgspec.json.encode(told)).decode())
        return
    columns = ("name", "task", "family", "input", "size", "licence", "state", "what it is")
    print_table(columns, [_row(card, cache) for card in cards])
    typer.echo("\nAny supported ONNX file is a model too: --model path/to/file.onnx")


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name.")],
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show a model's card: where its weights come from, what they are, what its licence says."""
    cards = _cards()
    card = next((card for card in cards if card.name == name), None)
    if card is None:
        raise ConfigError(f"model {name[:80]!r}: expected one of {', '.join(c.name for c in cards)}")
    cache = Cache(load_settings().cache)
    known = asdict(card) if name not in profiles.names() else msgspec.to_builtins(profiles.load(name))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(known | {"state": _state(name, cache)})).decode())
        return
    lines = _lines(card) if name not in profiles.names() else _profile_lines(profiles.load(name), cache)
    for key, text in [*lines, ("state", _state(name, cache))]:
        typer.echo(f"{key:<12} {text}")


@models.command()
def pull(names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Profiles.")]) -> None:
    """Get the weights of profiles from their makers. What came before a break is kept: run it again to go on."""
    settings = load_settings()
    for profile in [profiles.load(name) for name in names if check_profile(name) in profiles.names()]:
        get(profile, Cache(settings.cache), settings.weights_url)
    for name in names:
        if name not in profiles.names():
            typer.echo(f"{name} comes with Sightline: there is nothing to get")


@models.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="A file, or a folder with files: of a cache, of the hub, any.")],
    profile: Annotated[
        str | None, typer.Option(help="Whose files they are, where they don't tell it themselves.")
    ] = None,
) -> None:
    """Take weights that were got elsewhere into the cache. They are recognised by their hashes and checked."""
    cache = Cache(load_settings().cache)
    known = [profiles.load(profile)] if profile is not None else [profiles.load(name) for name in profiles.names()]
    came = adopt(source, cache, known, on_my_word=profile is not None)
    for one in came:
        typer.echo(f"{one.profile.name}: {one.name} ({megabytes(one.size)}){'' if one.known else ', on your word'}")
    for found in dict.fromkeys(one.profile.name for one in came):
        typer.echo(f"{found}: {_state(found, cache)}")


if importlib.util.find_spec("sightline.cli.export") is not None:
    models.command()(importlib.import_module("sightline.cli.export").export)


def _cards() -> list[ModelCard]:
    """Cards of the models that have a name: those of Sightline, then those that were sent to this user's server."""
    from sightline.inference.kept_models import KeptModels  # most commands need nothing of a server

    return [*catalogue.list_models(), *KeptModels(load_settings()).cards().values()]


def _state(name: str, cache: Cache) -> str:
    """State of a model: ``ready``, or what has to be done first."""
    if name not in profiles.names():
        return "ready"
    profile = profiles.load(name)
    note = ", restricted licence" if profile.restricts_use else ""
    if graph_in(cache, profile) is not None:
        return f"ready{note}"
    missing = cache.missing(profile)
    if missing:
        return f"needs download of {megabytes(sum(file.bytes for file in missing))}{note}"
    return f"{'needs an export, or torch' if lacks_torch(profile) else 'ready'}{note}"


def _row(card: ModelCard, cache: Cache) -> tuple[str, ...]:
    size = megabytes(card.size_bytes) if card.size_bytes else "-"
    return (
        card.name,
        card.task,
        card.family,
        _side(card),
        size,
        card.licence,
        _state(card.name, cache),
        card.description,
    )


def _side(card: ModelCard) -> str:
    return "any" if card.input_size is None else "{}x{}".format(*card.input_size)


def _lines(card: ModelCard) -> list[tuple[str, str]]:
    return [
        ("name", card.name),
        ("what it is", card.description),
        ("task", f"{card.task}, {len(card.labels)} classes: {', '.join(card.labels)}"),
        ("family", card.family),
        ("input", _side(card)),
        ("licence", card.licence),
        ("from", card.source),
        *([("lies in", card.path)] if card.path is not None else []),
    ]


def _profile_lines(profile: Profile, cache: Cache) -> list[tuple[str, str]]:
    revision = profile.revision or cache.record(profile).revision or "the newest when it is first got, then kept"
    accuracy = profile.accuracy
    lines = _lines(card_of(profile))
    lines.insert(-1, ("", f"{profile.licence_url}{' - ' * bool(profile.restricts_use)}{profile.restricts_use}"))
    lines += [("revision", revision), ("network", profile.architecture)]
    for file in profile.files:
        size = megabytes(file.size) if file.size else f"about {megabytes(file.bytes)}"
        lines.append(("file", f"{file.name}, {size}, {profile.address(file)}"))
        lines.append(("", f"sha256 {file.sha256}" if file.sha256 else _instead(file.git_sha1)))
    lines += [
        ("accuracy", f"{accuracy.metric} {accuracy.value} on {accuracy.on}, as its makers say: {accuracy.source}"),
        ("mean, std", f"{profile.mean}, {profile.std} of {profile.order} x {profile.scale:.6g}, {profile.fit}"),
        ("lies in", str(cache.folder(profile))),
    ]
    return lines


def _instead(git_sha1: str) -> str:
    return f"git hash {git_sha1}" if git_sha1 else "its hash is the one that the hub names, checked then and ever after"
