"""``sightline recordings import``: clips that were taken elsewhere become a recording."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sightline.cli.ensure_weights import provide
from sightline.cli.options import NOTHING, Given, options_for, with_settings
from sightline.core.errors import ConfigError, told
from sightline.core.types import check_stream_name
from sightline.recordings.moments import when
from sightline.settings.settings import data_folder, load_settings
from sightline.sources.base import printable

if TYPE_CHECKING:
    from sightline.offline.clip_import import ClipImport, ImportedFile

TELL_S = 0.5
NICE = 10
GB = 1e9


@with_settings
def import_(
    place: Annotated[Path, typer.Argument(metavar="FOLDER|FILE", help="A video, or a folder of videos.")],
    stream: Annotated[str, typer.Option(help="Name of the stream whose recording they become.")],
    given: Annotated[
        Given, options_for("model", "profile", "weights", "family", "engine", "device", "precision", "imgsz", "conf")
    ] = NOTHING,
    machine: Annotated[
        bool, typer.Option("--json", help="Write a JSON line for each file, and how far it is, to standard output.")
    ] = False,
    foreign: Annotated[bool, typer.Option("--foreign", hidden=True)] = False,
) -> None:
    """Make a recording, with what a model finds, of clips that were taken elsewhere.

    Each is listed at the time it was taken: as the file says, else its name (20261130_081500), else when it was last
    written. What can't be imported is named, and the rest goes on; then the command ends with status 1.
    """
    # Imported here, as otherwise a broken OpenCV would stop `sightline doctor` as well.
    from sightline.cli.run import StopSignal
    from sightline.core.database import UNUSABLE
    from sightline.offline.clip_import import ClipImport, Stopped, clips_in
    from sightline.recordings.shelf import FOLDER, Shelf
    from sightline.security.files import make_folder
    from sightline.settings.stream import Tracking
    from sightline.zoo import loader
    from sightline.zoo.options import options_of

    check_stream_name(stream)
    settings = load_settings(**given)
    paths = clips_in(place)
    if foreign:  # a server that must not be slowed, and downloads nothing without being asked
        with suppress(AttributeError, OSError):
            os.nice(NICE)
    else:
        provide(settings)
    folder = data_folder(settings) / FOLDER
    chosen = settings.streams.get(stream)
    failed = 0
    try:
        make_folder(folder)
        shelf = Shelf(folder)
        try:
            with StopSignal() as stop, ExitStack() as stack:
                model = loader.load_model(settings.model, options_of(settings))
                stack.callback(model.close)
                work = ClipImport(
                    shelf,
                    stream,
                    model,
                    stages=() if chosen is None else chosen.stages,
                    tracking=Tracking() if chosen is None else chosen,
                    free_bytes=settings.record_free_gb * GB,
                    foreign=foreign,
                )
                for path in paths:
                    failed += not _one(work, path, stop.asked, machine=machine).imported
        finally:
            shelf.close()
    except UNUSABLE as e:
        raise ConfigError(f"{folder}: {told(e)}") from None
    except Stopped:
        raise typer.Exit(130) from None
    if not machine:
        typer.echo(f"{len(paths) - failed} of {len(paths)} files are imported into {stream}.", err=True)
    raise typer.Exit(1 if failed else 0)


def _one(work: ClipImport, path: Path, stop: Callable[[], bool], *, machine: bool) -> ImportedFile:
    """Import a file and say how it went."""
    told_at = 0.0

    def progress(frames: int, total: int | None) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < TELL_S:
            return
        told_at = time.monotonic()
        if machine:
            _tell({"name": printable(path.name), "frames": frames, "total": total})
        elif sys.stderr.isatty():
            of = f" of {total}" if total else ""
            typer.echo(f"\r{printable(path.name)}: {frames}{of} frames\033[K", nl=False, err=True)

    done = work.add(path, stop, progress)
    if machine:
        _tell({"done": done})
        return done
    if sys.stderr.isatty():
        typer.echo("\r\033[K", nl=False, err=True)
    taken = "" if done.at is None else f" from {when(done.at)}, as {done.by} says"
    plural = "" if done.frames == 1 else "s"
    said = f"{done.frames} frame{plural}{taken}" if done.imported else "not imported"
    typer.echo(f"{done.name}: {said}{': ' + done.why if done.why else ''}", err=True)
    return done


def _tell(what: dict[str, object]) -> None:
    typer.echo(msgspec.json.encode(what).decode())
    sys.stdout.flush()
