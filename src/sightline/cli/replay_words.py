"""The outcome of a replay in words: then and now, side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import typer

from sightline.cli.tables import print_table
from sightline.recordings.moments import when
from sightline.recordings.replay.report import FoundBox, FrameDifference, Passed, ReplayEvent, ReplayReport

MOST_SHOWN = 20
"""Lines of each kind; --json has all."""


def show(report: ReplayReport) -> None:
    """Print it to standard output."""
    then, now = (", ".join(side.models) or "nothing" for side in (report.then, report.now))
    typer.echo(f"{report.stream}, {_at(report.since)} to {_at(report.until)}: {report.frames} frames")
    typer.echo(f"then: {then}, {report.then.frames} results; now: {now}, {report.now.frames} results")
    rows = [*_classes(report), *_passed(report), *_fired(report)]
    typer.echo("")
    print_table(("what", "", "then", "now"), rows or [("nothing was found", "", "", "")])
    _list("rules that fired", list(_firings(report)))
    typer.echo(f"\n{report.differing} of {report.both} frames differ")
    _list("", [_difference(one) for one in report.differences])


def _classes(report: ReplayReport) -> Iterator[Sequence[str]]:
    for name in sorted(report.then.classes.keys() | report.now.classes.keys()):
        both = [side.classes.get(name) for side in (report.then, report.now)]
        yield name, "objects", *("0" if one is None else str(one.objects) for one in both)
        yield name, "frames", *("0" if one is None else str(one.frames) for one in both)
        yield name, "most at once", *("0" if one is None else str(one.most) for one in both)


def _passed(report: ReplayReport) -> Iterator[Sequence[str]]:
    zones = report.then.zones, report.now.zones
    lines = report.then.lines, report.now.lines
    for sides, (into, out) in ((zones, ("entered", "left")), (lines, ("in", "out"))):
        for name in dict.fromkeys((*sides[0], *sides[1])):
            yield from _ways(name, into, sides, lambda one: one.into)
            yield from _ways(name, out, sides, lambda one: one.out)


def _ways(
    name: str, way: str, sides: Sequence[Mapping[str, Passed]], side: Callable[[Passed], Mapping[str, int]]
) -> Iterator[Sequence[str]]:
    counts = [side(one[name]) if name in one else None for one in sides]
    for class_name in sorted({key for one in counts if one is not None for key in one}):
        yield name, f"{class_name} {way}", *("-" if one is None else str(one.get(class_name, 0)) for one in counts)


def _fired(report: ReplayReport) -> Iterator[Sequence[str]]:
    then, now = report.then.fired, report.now.fired
    for name in dict.fromkeys((*then, *now)):
        yield name, "fired", str(then.get(name, 0)), str(now.get(name, 0))


def _firings(report: ReplayReport) -> Iterator[str]:
    both = [(one, side) for side, of in (("then", report.then), ("now", report.now)) for one in of.events]
    for one, side in sorted(both, key=lambda pair: pair[0].at):
        if one.kind == "rule":
            yield f"{_at(one.at)}  {side:<4}  {one.name}{_more(one)}"


def _more(one: ReplayEvent) -> str:
    words = [one.class_name, one.direction, "" if one.seconds is None else f"{one.seconds:.1f} s"]
    said = ", ".join(filter(None, words))
    return f" ({said})" if said else ""


def _difference(one: FrameDifference) -> str:
    return f"{_at(one.at)}  then {_names(one.then)}; now {_names(one.now)}"


def _names(found: Sequence[FoundBox]) -> str:
    return ", ".join(f"{one.class_name} {one.confidence:.2f}" for one in found) or "nothing"


def _list(title: str, lines: Sequence[str]) -> None:
    if lines and title:
        typer.echo(f"\n{title}")
    for line in lines[:MOST_SHOWN]:
        typer.echo(f"  {line}")
    if len(lines) > MOST_SHOWN:
        typer.echo(f"  and {len(lines) - MOST_SHOWN} more: see --json")


def _at(at: float) -> str:
    return f"{when(at)}.{int(at % 1 * 10)}"
