"""``sightline bench``: find what runs a model fastest on this machine, and where the time of a frame goes."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from sightline.cli.ensure_weights import provide
from sightline.cli.options import NOTHING, Given, options_for, with_settings
from sightline.cli.tables import print_table
from sightline.settings.settings import load_settings
from sightline.zoo.options import options_of

if TYPE_CHECKING:
    from sightline.cli.bench_engines import Comparison

bench = typer.Typer(
    help="Find what runs a model fastest on this machine, and where the time of a frame goes.", no_args_is_help=True
)


@bench.callback()
def _group() -> None:
    return


@bench.command()
def engines(
    model: Annotated[str, typer.Argument(help="A model's name or the path of an .onnx file.")],
    family: Annotated[
        str | None, typer.Option(help="The kind of model, where the file does not tell it itself; see docs/models.md.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where it runs: cpu, cuda:0, cuda:1 ...")] = "cpu",
    imgsz: Annotated[int | None, typer.Option(help="Side of the input in pixels, for models that take any.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of one inference; default: all cores.")] = None,
    instances: Annotated[
        int | None,
        typer.Option(min=1, help="How many run at once, one thread each, for the last column; default: cores."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, max=1000, help="How often each is run, in turns.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    weights: Annotated[Path | None, typer.Option(help="A file to use in place of a profile's own weights.")] = None,
) -> None:
    """Run a model in every engine and precision that works here, in turns, and list the fastest first.

    Times are of the graph alone, without pre- and postprocessing. Other programs on the machine show in them, least in
    the least and in the processor's time, which is of all threads.
    """
    from sightline.cli.bench_engines import Case, compare

    settings = load_settings(model=model, device=device, imgsz=imgsz, threads=threads, weights=weights)
    provide(settings)

    def progress(case: Case, doing: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{case.engine} {case.precision}: {doing}")

    found = compare(
        settings.model,
        replace(options_of(settings), family=family, confidence=None, compiled=False),
        instances=instances,
        rounds=rounds,
        progress=progress,
    )
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    _print_engines(found, rounds)


def _print_engines(found: Comparison, rounds: int) -> None:
    plural = "s" if found.threads > 1 else ""
    typer.echo(f"{found.model} on {found.device}, {found.threads} thread{plural} each, {rounds} runs in turns\n")
    columns = (
        "engine",
        "precision",
        "load s",
        "least ms",
        "median ms",
        "p95 ms",
        "CPU ms",
        f"frames/s, {found.instances} at once",
    )
    print_table(
        columns,
        [
            (
                Text(row.engine, "bold green" if i == 0 else ""),
                row.precision,
                *(
                    f"{value:.1f}"
                    for value in (row.load_s, row.least_ms, row.median_ms, row.p95_ms, row.cpu_ms, row.fps_together)
                ),
            )
            for i, row in enumerate(found.rows)
        ],
    )
    for case in found.unavailable:
        typer.echo(f"\nnot {case.engine}{case.precision and ' ' + case.precision}: {case.why}")
    if found.auto is not None:
        typer.echo(f"\n--engine auto takes {found.auto.engine} in {found.auto.precision}: {found.auto.reason}")


@bench.command()
@with_settings
def frame(
    source: Annotated[
        str | None, typer.Option(help="A video or pictures to send. Default: made pictures of 640x360.")
    ] = None,
    fps: Annotated[float, typer.Option(min=0.1, max=240, help="Frames per second of each stream.")] = 30,
    streams: Annotated[int, typer.Option(min=1, max=64, help="Streams that send at once.")] = 1,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="How long they send.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    given: Annotated[Given, options_for("model", "engine", "imgsz", "workers", "place")] = NOTHING,
) -> None:
    """Show where the time of one frame goes on this machine, and what would make it faster.

    Starts a server, sends pictures to it over TCP as a camera does, and reads the times that each result
    carries. Other programs on the machine show in all of them.
    """
    from sightline.cli.bench_frame import Trace, traced
    from sightline.stress import pictures
    from sightline.stress.server import started, wait_ready
    from sightline.zoo import loader

    settings = load_settings(**given)
    provide(settings)
    loader.check_model(settings.model, options_of(settings))
    options = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    jpegs = pictures.jpegs(source)

    async def measure() -> Trace:
        async with started(*options, tcp=True) as server:
            await wait_ready(server)
            return await traced(server.url, jpegs, model=settings.model, streams=streams, fps=fps, seconds=seconds)

    found = asyncio.run(measure())
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    lost = ", ".join(f"{count} {reason}" for reason, count in found.dropped.items())
    typer.echo(
        f"{found.model}, {streams} stream{'s' if streams > 1 else ''} of {fps:g} frames/s: {found.results} results"
        f"{lost and f', without result: {lost}'}\n"
    )
    rows = [
        (part.name, f"{part.mean_ms:.2f}", f"{part.p95_ms:.2f}", f"{part.share:.0%}", part.what) for part in found.parts
    ]
    rows.append(("all", f"{found.mean_ms:.2f}", f"{found.p95_ms:.2f}", "", "from sending a frame to its answer"))
    print_table(("part", "mean ms", "p95 ms", "share", "what"), rows)
    typer.echo("\n" + "\n".join(found.advice))
