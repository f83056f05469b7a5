"""``sightline recordings``: look after the recordings of the data folder."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from sightline.cli.recordings_import import import_
from sightline.cli.recordings_share import share, shares, unshare
from sightline.cli.tables import print_table
from sightline.cli.times import moment_of
from sightline.core.errors import ConfigError, told
from sightline.core.types import check_stream_name
from sightline.recordings.moments import when
from sightline.settings.settings import data_folder, load_settings

if TYPE_CHECKING:
    from sightline.recordings.clip import ClipWish
    from sightline.recordings.index import VideoSegment
    from sightline.recordings.shelf import Shelf

recordings = typer.Typer(
    name="recordings",
    help="List, check, clear up and share the recordings of the data folder, also while a server records.",
    no_args_is_help=True,
)
recordings.command("import")(import_)
for command in (share, shares, unshare):
    recordings.command()(command)


@contextmanager
def _shelf() -> Iterator[Shelf]:
    from sightline.core.database import UNUSABLE
    from sightline.recordings.shelf import FOLDER, Shelf

    folder = data_folder() / FOLDER
    if not folder.is_dir():
        raise ConfigError(f"{folder}: nothing was recorded here; expected the folder of a server that recorded")
    try:
        shelf = Shelf(folder)
        try:
            yield shelf
        finally:
            shelf.close()
    except ConfigError:
        raise
    except UNUSABLE as e:
        raise ConfigError(f"{folder}: {told(e)}") from None


@recordings.command("list")
def show() -> None:
    """List what is recorded, by stream."""
    with _shelf() as shelf:
        found = shelf.index.closed()
    if not found:
        typer.echo("There are no recordings.", err=True)
        return
    rows = []
    for stream, group in itertools.groupby(found, lambda segment: segment.stream):
        segments = list(group)
        protected = sum(segment.protected for segment in segments)
        size = sum(segment.bytes for segment in segments)
        span = (when(segments[0].started_at), when(max(segment.ended_at for segment in segments)))
        rows.append((stream, str(len(segments)), *span, f"{size / 1e6:.1f} MB", str(protected)))
    print_table(("stream", "segments", "from", "to", "size", "protected"), rows)


@recordings.command()
def verify() -> None:
    """Read every file from its start to its end. Ends with status 1 where one is not what the index says."""
    from sightline.recordings import mend

    wrong = count = 0
    with _shelf() as shelf:
        for segment in shelf.index.closed():
            why = _wrong(shelf, segment, mend.UNREADABLE)
            count += 1
            if why:
                wrong += 1
                typer.echo(f"{segment.name}: {why}")
    typer.echo(f"{count} segments, {wrong} of them wrong.", err=True)
    raise typer.Exit(1 if wrong else 0)


def _wrong(shelf: Shelf, segment: VideoSegment, unreadable: tuple[type[Exception], ...]) -> str | None:
    """Say what is wrong with a segment."""
    from sightline.recordings import lines, mp4

    try:
        shown = mp4.decoded(shelf.root.video(segment.name))
        said = sum(1 for _ in lines.read(shelf.root.lines(segment.name)))
    except unreadable as e:
        return told(e)
    if not shown == said == segment.frames:
        return f"{shown} frames can be shown, {said} lines; the index has {segment.frames}"
    return None


@recordings.command()
def rescan() -> None:
    """Make the index anew from the files. What was cut off is made whole, and what is left out is named."""
    from sightline.recordings.imported import clear_killed

    with _shelf() as shelf:
        clear_killed(shelf)
        there = shelf.rescan(lambda name, why: typer.echo(f"{name} is left out: {why}"))
        typer.echo(f"{there} segments are there.", err=True)


@recordings.command()
def prune() -> None:
    """Delete what the settings no longer keep, as a server does by itself."""
    from sightline.recordings.retention import prune, retention_of

    with _shelf() as shelf:
        gone = prune(shelf, retention_of(load_settings()))
        typer.echo(f"{gone} segments were deleted.", err=True)


@recordings.command()
def export(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The file: NAME.mp4, .webm, .gif, or .zip: pictures with COCO annotations for sightline train.",
        ),
    ],
    start: Annotated[str, typer.Option("--from", help="When it begins: 2026-11-30T08:15:00, or seconds since 1970.")],
    end: Annotated[str, typer.Option("--to", help="When it ends.")],
    kind: Annotated[
        str,
        typer.Option(
            help="recorded: the packets, cut at key frames. converted: to H.264. drawn: overlays. blurred: people."
        ),
    ] = "recorded",
    mode: Annotated[str, typer.Option(help="How to draw.")] = "auto",
    hide: Annotated[list[str] | None, typer.Option(help="A class that is not drawn. May be repeated.")] = None,
    speed: Annotated[float, typer.Option(min=1, max=3600, help="Times real time: a time-lapse.")] = 1,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds from picture to picture in a .zip.")] = 1,
) -> None:
    """Write a clip of what was recorded as a file."""
    from sightline.recordings import clip
    from sightline.renderers.base import modes

    check_stream_name(stream)
    formats = {ending: name for name, ending in clip.ENDINGS.items()}
    _one_of("--mode", mode, modes())
    if output.suffix not in formats or output.exists():
        raise ConfigError(f"--output {output}: expected a new file that ends in one of {', '.join(formats)}")
    if not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {output.parent}; make it first")
    kinds = _one_of("--kind", kind, get_args(clip.Kind))
    how = (kinds, mode, None, formats[output.suffix], speed, every, tuple(hide or ()))
    wish = clip.ClipWish(moment_of("--from", start), moment_of("--to", end), *how)
    wish.check()
    if not wish.start < wish.end:
        raise ConfigError(f"--from {start} --to {end}: expected a time that ends after it begins")
    with _shelf() as shelf:
        found = shelf.index.segments(stream, wish.start, wish.end)
        if not found:
            raise ConfigError(f"nothing is recorded of stream {stream!r} in this time: see sightline recordings list")
        said = _write([shelf.root.video(one.name) for one in found], wish, output)
    typer.echo(f"{output} is written{': ' + said if said else ''}.", err=True)


def _write(paths: Sequence[Path], wish: ClipWish, output: Path) -> str:
    import av

    from sightline.recordings import clip

    try:
        return clip.write(paths, wish, output)
    except BaseException as e:
        output.unlink(missing_ok=True)
        if isinstance(e, OSError | av.FFmpegError):
            raise ConfigError(f"{output}: {told(e)}") from None
        raise


def _one_of(option: str, given: str, allowed: Sequence[str]) -> Any:
    if given not in allowed:
        raise ConfigError(f"{option} {given}: expected one of {', '.join(allowed)}")
    return given
