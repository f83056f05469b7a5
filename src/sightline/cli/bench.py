"""``sightline bench``: find what runs a model fastest on this machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.text import Text

from sightline.cli.ensure_weights import provide
from sightline.cli.tables import print_table
from sightline.settings.settings import load_settings
from sightline.zoo.options import options_of

bench = typer.Typer(help="Find what runs a model fastest on this machine.", no_args_is_help=True)


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
