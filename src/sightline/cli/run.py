"""``sightline run``: put a file or a camera through a model, without a server."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from sightline.analytics.zones.totals import Counted
from sightline.cli.ensure_weights import provide
from sightline.cli.options import NOTHING, Given, options_for, with_settings
from sightline.cli.zones_file import ZonesFile, read_zones, troubles
from sightline.core.errors import ConfigError, SinkError
from sightline.core.registry import load
from sightline.core.types import check_stream_name
from sightline.settings.settings import load_settings
from sightline.settings.stream import Tracking
from sightline.sinks.base import Sink, writable_file, writing
from sightline.sources.base import Source, open_source
from sightline.zoo import loader
from sightline.zoo.options import options_of

if TYPE_CHECKING:
    from sightline.analytics.rules.board import RuleBoard
    from sightline.analytics.zones.board import ZoneBoard

RECORDING = "recording:"
"""How sources begin whose frames have dates."""
ROOM = 10 << 20
"""Minimum free disk space in bytes; with less, a run is refused."""


@with_settings
def run(
    source: Annotated[
        str,
        typer.Argument(help="A video, a picture, a folder of pictures, camera:0, rtsp://..., or recording:STREAM."),
    ],
    save: Annotated[
        str | None,
        typer.Option(
            help="Write an annotated video to this .mp4 or .webm file, a picture to a .jpg file, or many to a folder."
        ),
    ] = None,
    jsonl: Annotated[str | None, typer.Option(help="Write one JSON line per frame to this file; - is stdout.")] = None,
    masks: Annotated[str | None, typer.Option(help="Write a class map of each frame, as PNG, to this folder.")] = None,
    zones: Annotated[
        Path | None,
        typer.Option(help="Zones, lines and rules of this TOML or JSON file; see docs/analytics.md and docs/rules.md."),
    ] = None,
    counts: Annotated[
        str | None, typer.Option(help="Write what --zones counted, as JSON, to this file; - is stdout.")
    ] = None,
    mode: Annotated[str, typer.Option(help="How --save draws; see docs/gallery.md.")] = "auto",
    opacity: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=100,
            help="Opacity of what --save draws, in percent. Default: the mode's own.",
            show_default=False,
        ),
    ] = None,
    latest: Annotated[
        bool | None,
        typer.Option(
            "--latest/--every",
            help="Skip frames the model can't keep up with (default for cameras), or take every one (for files).",
            show_default=False,
        ),
    ] = None,
    given: Annotated[
        Given, options_for("model", "profile", "weights", "family", "engine", "device", "precision", "imgsz", "conf")
    ] = NOTHING,
    stream: Annotated[
        str | None, typer.Option(help="The stream's name in the JSON lines. Default: the source's.")
    ] = None,
) -> None:
    """Put a video, pictures or a camera through a model and write what it finds.

    Ctrl-C stops at any moment and leaves complete files. Only --jsonl - and --counts - write to standard output.
    """
    # Imported here, as otherwise a broken OpenCV would stop `sightline doctor` as well.
    from sightline.analytics.zones.board import ZoneBoard
    from sightline.cli.progress import Display
    from sightline.offline.run import Run
    from sightline.renderers.base import default_opacity, modes
    from sightline.sources._reconnecting import LastingSource

    if mode not in modes():
        raise ConfigError(f"--mode {mode}: expected one of {', '.join(modes())}")
    default_opacity(mode)  # a broken renderer says so before the work begins
    settings = load_settings(**given)
    read = None if zones is None else read_zones(zones)
    if counts is not None and read is None:
        raise ConfigError(f"--counts {counts} without --zones: expected a file of zones and lines to count in")
    if counts == jsonl == "-":
        raise ConfigError("--jsonl - and --counts -: expected one of them on standard output")
    provide(settings)
    loader.check_model(settings.model, options_of(settings))
    targets = {"video" if save is None else _saving(save): save, "jsonl": jsonl, "masks": masks}
    wanted = {name: target for name, target in targets.items() if target is not None}
    with StopSignal() as stop, ExitStack() as stack:
        opened = open_source(source)
        opened = stack.enter_context(LastingSource(source, opened) if opened.live else opened)
        if counts is not None and counts != "-":
            writable_file(counts)
        _check_targets(source, [*wanted.values(), *([counts] if counts else [])])
        if save is not None and "pictures" in wanted:
            _check_pictures(source, opened, Path(save))
        name = check_stream_name(stream) if stream is not None else stream_name(opened.name)
        # A bar and JSON lines on the same terminal would overwrite each other.
        display = stack.enter_context(Display(opened, bar=jsonl != "-" or not sys.stdout.isatty()))
        with display.loading(settings.model):
            ready = loader.load_model(settings.model, options_of(settings))
        stack.callback(ready.close)
        for what, trouble in () if read is None else troubles(read, ready.card.labels):
            display.say(what, trouble)
        sinks = open_sinks(wanted, stack)
        chosen = settings.streams.get(name)
        board = None if read is None else ZoneBoard(name, read.zones, read.lines)
        rules = None if read is None or board is None else _rules(board, read, opened)
        job = Run(
            opened,
            ready,
            sinks,
            stream=name,
            latest=opened.live if latest is None else latest,
            mode=mode,
            opacity=None if opacity is None else opacity / 100,
            stages=() if chosen is None else chosen.stages,
            tracking=Tracking() if chosen is None else chosen,
            zones=board,
            rules=rules,
        )
        try:
            job.go(stop.asked, lambda: display.update(job.tally))
        finally:
            counted = None if board is None else board.counted()
            display.summary(job.tally, ready.card, wanted, stopped=stop.asked(), counted=counted, rules=rules)
        if counts is not None and counted is not None:
            _write_counts(counts, counted)
    if stop.signal is not None:
        raise typer.Exit(128 + stop.signal)


def _rules(board: ZoneBoard, read: ZonesFile, source: Source) -> RuleBoard:
    from sightline.analytics.rules.board import RuleBoard

    dated = source.name.startswith(RECORDING)
    return RuleBoard(board, read.rules, file=not source.live, dated=dated)


def stream_name(source_name: str) -> str:
    """A stream name made from a source's: ``clip 1.mp4`` gives ``clip_1``, an address its host and port, a recording
    its stream."""
    source_name = source_name.removeprefix(RECORDING)
    address = source_name.partition("://")[2]
    stem = address or (source_name if source_name.startswith("camera:") else Path(source_name).stem)
    return re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_")[:64] or "run"


class StopSignal:
    """While it lasts, the first Ctrl-C (or SIGTERM) only asks to stop; the second interrupts at once."""

    signal: int | None = None

    def asked(self) -> bool:
        """True once a signal came."""
        return self.signal is not None

    def __enter__(self) -> StopSignal:
        self._before: dict[signal.Signals, Any] = {
            number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, self._before[signal.Signals(number)])


def _saving(target: str) -> str:
    """Name of the sink for the target of --save."""
    from sightline.sinks.pictures import ENDINGS

    path = Path(target)
    return "pictures" if path.is_dir() or path.suffix.lower() in ("", *ENDINGS) else "video"


def open_sinks(wanted: dict[str, str], stack: ExitStack) -> list[Sink]:
    """Open the sinks of these targets, by name. The stack closes them."""
    sinks: list[Sink] = []
    for name, target in wanted.items():
        sinks.append(load("sinks", name).open(target))
        stack.callback(_quietly(sinks[-1].close))
    return sinks


def _write_counts(target: str, counted: Counted) -> None:
    data = msgspec.json.format(msgspec.json.encode(counted), indent=1) + b"\n"
    if target == "-":
        sys.stdout.buffer.write(data)
        return
    with writing(target):
        Path(target).write_bytes(data)


def _quietly(close: Callable[[], None]) -> Callable[[], None]:
    """Wrap a sink's close, ignoring SinkError: the failure has been reported already, or the sink is empty."""

    def closing() -> None:
        try:
            close()
        except SinkError:
            return

    return closing


def _check_pictures(source: str, opened: Source, target: Path) -> None:
    if not target.is_dir() and target.suffix and opened.total != 1:
        raise ConfigError(
            f"--save {target}: {opened.name} is more than one picture; expected a folder, or an .mp4 file"
        )
    if opened.images and target.resolve() == Path(source).resolve().parent:
        raise ConfigError(f"{target} is where {source} is, which would be overwritten: name another folder")


def _check_targets(source: str, targets: list[str]) -> None:
    """Report problems with the outputs before an hour's work, not after it."""
    places = [Path(target).resolve() for target in targets if target != "-"]
    if Path(source).resolve() in places:
        raise ConfigError(f"{source} is the source: write the results elsewhere")
    if len(set(places)) < len(places):
        raise ConfigError("two outputs have the same path: give each its own")
    for place in places:
        folder = next(parent for parent in (place, *place.parents) if parent.is_dir())
        free = shutil.disk_usage(folder).free
        if free < ROOM:
            raise SinkError(f"{place}: the disk is full ({free >> 20} MB free); make room or write elsewhere")
