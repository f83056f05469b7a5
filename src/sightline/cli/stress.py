"""``sightline stress``: run many publishers at once and account for every frame."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from sightline.cli.ensure_weights import provide
from sightline.cli.options import NOTHING, Given, options_for, with_settings
from sightline.core.errors import ConfigError, SinkError
from sightline.settings.environment import client_authority, client_token
from sightline.settings.settings import load_settings
from sightline.zoo import loader
from sightline.zoo.options import options_of

if TYPE_CHECKING:
    from sightline.stress.figures import Figures
    from sightline.stress.report import Report
    from sightline.stress.server import StressServer

SWEEP_P95_MS = 100.0
SWEEP_DROPS = 1.0


@with_settings
def stress(
    streams: Annotated[int, typer.Option(help="Number of publishers, each a process.")] = 8,
    fps: Annotated[float, typer.Option(help="Frames per second of each publisher.")] = 20,
    duration: Annotated[float, typer.Option(help="Seconds; in a sweep, of each load.")] = 30,
    viewers: Annotated[int, typer.Option(help="Number of viewers of all streams together, each a process.")] = 0,
    transport: Annotated[
        Literal["tcp", "ws"], typer.Option(help="How they connect, where --url does not say it.")
    ] = "tcp",
    source: Annotated[
        str | None,
        typer.Option(help="A video or pictures to send: the first 300 pictures. Default: made pictures."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="A server that runs already: ws://, wss://, tcp:// or tcps://. Default: start one."),
    ] = None,
    stats_url: Annotated[
        str | None,
        typer.Option(help="That server's page, http://HOST:PORT. Default: the same host, for tcp:// port 8000."),
    ] = None,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Raise the load by half, again and again, until it breaks.")
    ] = False,
    target: Annotated[
        float | None, typer.Option(help="Highest p95 latency allowed, in ms. Default: any; in a sweep 100.")
    ] = None,
    max_drops: Annotated[
        float | None, typer.Option(help="Highest percentage of frames without a result. Default: any; in a sweep 1.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write report.json and report.html to this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on standard output.")] = False,
    given: Annotated[Given, options_for("model", "engine", "imgsz", note="For the server that is started.")] = NOTHING,
) -> None:
    """Put a server under load and report what became of every frame.

    Publishers send by the clock, whatever comes back. Ends with status 0 if all is well, 1 if the verdict is bad and
    2 if the test could not be carried out. For a server that asks for tokens SIGHTLINE_TOKEN must be an admin's.
    """
    # Imported here, as otherwise a broken OpenCV would stop `sightline doctor` as well.
    from sightline.sources.base import shown
    from sightline.stress import pictures
    from sightline.stress.plan import StressPlan
    from sightline.stress.report import as_json as to_json
    from sightline.stress.report import report, show
    from sightline.stress.run import Load, run
    from sightline.stress.run import sweep as run_sweep
    from sightline.stress.server import wait_ready
    from sightline.stress.verdict import Goal

    options = _checked(url, stats_url, given)
    plan = StressPlan(streams, fps, duration, viewers)
    if sweep:
        target = SWEEP_P95_MS if target is None else target
        max_drops = SWEEP_DROPS if max_drops is None else max_drops
    goal = Goal(target, None if max_drops is None else max_drops / 100)
    if out is not None:
        _make_folder(out)
    told = Console(stderr=True, highlight=False, emoji=False)
    with told.status("Making the pictures") as status:
        jpegs = pictures.jpegs(source)

        def say(words: str) -> None:
            status.update(words[:1].upper() + words[1:])

        async def measure() -> list[Figures]:
            say("starting the server" if url is None else "looking for the server")
            async with _server(url, stats_url, options, tcp=transport == "tcp") as server:
                await wait_ready(server)
                load = Load(server, jpegs, say)
                return await run_sweep(load, plan, goal) if sweep else [await run(load, plan)]

        runs = asyncio.run(measure())
    found = report(runs, goal, source="made, 640x360" if source is None else Path(shown(source)).name, sweep=sweep)
    if out is not None:
        _write(found, out)
    if as_json:
        typer.echo(to_json(found))
    else:
        show(found)
    if out is not None:
        told.print(f"\nwritten: {out / 'report.json'}, {out / 'report.html'}", markup=False, soft_wrap=True)
    if not found.verdict.ok:
        raise typer.Exit(1)


def _checked(url: str | None, stats_url: str | None, given: Given) -> list[str]:
    """Return the options for a server that is started, which needs the model. Raises ConfigError."""
    options = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    if url is not None and options:
        raise ConfigError(f"{options[0]} is for a server that stress starts itself: leave out --url, or {options[0]}")
    if url is None:
        if stats_url is not None:
            raise ConfigError("--stats-url is for a server that runs already: give its --url, too")
        settings = load_settings(**given)
        provide(settings)
        loader.check_model(settings.model, options_of(settings))
    return options


def _server(
    url: str | None, stats_url: str | None, options: list[str], *, tcp: bool
) -> AbstractAsyncContextManager[StressServer]:
    """Context of the server under load: the one that runs at ``url``, or one that is started."""
    from sightline.stress.server import running, started

    if url is None:
        return started(*options, tcp=tcp)
    ca = client_authority()
    return running(url, stats_url, token=client_token(), ca=None if ca is None else str(ca))


def _write(found: Report, out: Path) -> None:
    from sightline.stress.html import page
    from sightline.stress.report import as_json

    (out / "report.json").write_text(as_json(found) + "\n", encoding="utf-8")
    (out / "report.html").write_text(page(found), encoding="utf-8")


def _make_folder(path: Path) -> None:
    """Make the folder; problems with the outputs are reported before the test, not after it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        (path / "report.json").touch()
    except OSError as e:
        raise SinkError(f"can't write to {path}: {e.strerror}") from None
