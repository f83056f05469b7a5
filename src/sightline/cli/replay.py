"""``sightline replay``: put what was recorded through another model, another confidence, other zones or rules."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from sightline.cli.ensure_weights import provide
from sightline.cli.options import NOTHING, Given, options_for, with_settings
from sightline.cli.run import StopSignal, open_sinks
from sightline.cli.times import moment_of
from sightline.cli.zones_file import read_zones
from sightline.core.errors import ConfigError
from sightline.core.types import check_stream_name
from sightline.settings.settings import Settings, data_folder, load_settings
from sightline.settings.stream import Tracking
from sightline.zoo import loader
from sightline.zoo.options import LoadOptions, options_of

if TYPE_CHECKING:
    from sightline.recordings.replay.report import ReplayReport
    from sightline.streams.boards import Boards

MOST_EVENTS = 2000


@with_settings
def replay(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    start: Annotated[str, typer.Option("--from", help="When it begins: 2026-11-30T08:15:00, or seconds since 1970.")],
    end: Annotated[str, typer.Option("--to", help="When it ends.")],
    confidence: Annotated[
        float | None,
        typer.Option("--confidence", help="Least confidence, 0 to 1. Default: the stream's.", show_default=False),
    ] = None,
    zones: Annotated[
        Path | None,
        typer.Option(help="Zones and lines of this TOML or JSON file, and its rules. Default: those of the stream."),
    ] = None,
    rules: Annotated[Path | None, typer.Option(help="Rules of this file. Default: those of the stream.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Write one JSON line per frame to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
    given: Annotated[
        Given, options_for("model", "profile", "weights", "family", "engine", "device", "precision", "imgsz")
    ] = NOTHING,
) -> None:
    """Look at a recording again, with another model, confidence, zones or rules, beside what was found then.

    Every frame is looked at. Nobody is told of what is found: nothing is stored, sent or notified. It works on the data
    folder, with and without a server. Ctrl-C ends it with what was found by then.
    """
    from sightline.cli.replay_words import show

    settings = load_settings(**given)
    check_stream_name(stream)
    boards = _boards(settings, stream, zones, rules)
    model, options = _model(settings, stream, given, confidence)
    if output == "-":
        raise ConfigError("--output -: expected a file, as the outcome goes to standard output")
    span = moment_of("--from", start), min(moment_of("--to", end), time.time())
    report = _go(settings, stream, span, boards, (model, options), output)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    else:
        show(report)


def _go(
    settings: Settings,
    stream: str,
    span: tuple[float, float],
    boards: Boards,
    model: tuple[str, LoadOptions],
    output: str | None,
) -> ReplayReport:
    from sightline.cli.progress import Display
    from sightline.events.store import read_happenings
    from sightline.offline.run import Run
    from sightline.recordings.replay.comparison import ReplayComparison, lines_of
    from sightline.recordings.replay.sink import ComparisonSink
    from sightline.recordings.shelf import FOLDER
    from sightline.sources.base import open_source
    from sightline.streams.model_switch import class_ids

    data = data_folder(settings)
    with StopSignal() as stop, ExitStack() as stack:
        source = stack.enter_context(
            open_source(f"recording:{stream}?from={span[0]!r}&to={span[1]!r}", data=lambda: data)
        )
        sinks = open_sinks({} if output is None else {"jsonl": output}, stack)
        display = stack.enter_context(Display(source, bar=True))
        with display.loading(model[0]):
            loaded = loader.load_model(*model)
        stack.callback(loaded.close)
        comparison = ReplayComparison(lines_of(data / FOLDER / stream, *span))
        sink = ComparisonSink(comparison)
        chosen = settings.streams.get(stream)
        given = {} if chosen is None else chosen.given()
        finer = {key: given[key] for key in ("iou", "max_detections") if given.get(key) is not None}
        loaded.options = replace(loaded.options, **finer)
        job = Run(
            source,
            loaded,
            [*sinks, sink],
            stream=stream,
            latest=False,
            stages=() if chosen is None else chosen.stages,
            tracking=Tracking() if chosen is None else chosen,
            zones=boards.zones,
            rules=boards.rules,
            shown=None if not given.get("classes") else class_ids(given["classes"], loaded.card, strict=False),
        )
        job.go(stop.asked, lambda: display.update(job.tally))
        seen = (span[0], sink.last_at) if stop.asked() else span
        then = read_happenings(data / "events", stream, *seen, MOST_EVENTS)
        return comparison.report(stream, seen, then, boards.zones.counted())


def _model(
    settings: Settings, stream: str, given: Mapping[str, object], confidence: float | None
) -> tuple[str, LoadOptions]:
    """Return the model: what was asked for, or what the settings have for the stream."""
    from sightline.inference.offers import Offers

    options = options_of(settings)
    own = settings.streams.get(stream)
    chosen = {} if own is None else {key: value for key, value in own.given().items() if value is not None}
    name = settings.model
    if given.get("model") is None and given.get("profile") is None:
        key = Offers(settings).key(chosen)
        name, options = key.spec, replace(options, engine=key.engine, imgsz=key.imgsz)
    if confidence is not None and not 0 < confidence < 1:
        raise ConfigError(f"--confidence {confidence}: expected a number above 0 and below 1")
    least = chosen.get("confidence") if confidence is None else confidence
    options = replace(options, confidence=options.confidence if least is None else least)
    provide(settings)
    loader.check_model(name, options)
    return name, options


def _boards(settings: Settings, stream: str, zones: Path | None, rules: Path | None) -> Boards:
    """Return new boards with the zones, lines and rules that were asked for, or those of the stream."""
    from sightline.streams.boards import Boards, BoardStore

    store = BoardStore(settings)
    asyncio.run(store.load())
    own = store.of(stream)
    read = None if zones is None else read_zones(zones)
    ruled = None if rules is None else read_zones(rules, option="--rules")
    shapes = (own.zones.zones, own.zones.lines) if read is None else (read.zones, read.lines)
    given = next((one.rules for one in (ruled, read) if one is not None and one.rules), own.rules.rules)
    return Boards.dated(stream, *shapes, given)
