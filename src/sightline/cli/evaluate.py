"""``sightline evaluate``: measure a model's accuracy on annotated photos."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from sightline.cli.ensure_weights import provide
from sightline.cli.train import check_extra
from sightline.settings.settings import load_settings


def evaluate(
    model: Annotated[str, typer.Argument(help="A model's name (see `sightline models`) or the path of an ONNX file.")],
    data: Annotated[Path, typer.Option(help="The data set, in the layout of `sightline train`.")],
    out: Annotated[Path, typer.Option(help="Folder for evaluation.json and worst.jpg.")] = Path("evaluation"),
    weights: Annotated[Path | None, typer.Option(help="A file to use in place of a profile's own weights.")] = None,
    engine: Annotated[str, typer.Option(help="What runs the model: onnx, openvino, torch or auto.")] = "auto",
    precision: Annotated[str, typer.Option(help="What the engine computes in: fp32, bf16, fp16, or auto.")] = "auto",
    everything: Annotated[bool, typer.Option("--all", help="Judge all photos, not only those kept aside.")] = False,
) -> None:
    """Judge a model: average precision of a detector, mean IoU of a segmenter, by class, and the worst photos."""
    check_extra()
    from sightline.train import evaluate as judge

    def progress(done: int, total: int) -> None:
        if sys.stderr.isatty() and (done % 10 == 0 or done == total):
            sys.stderr.write(f"\r{done} of {total} photos" + ("\n" if done == total else ""))

    settings = load_settings(model=model, weights=weights, engine=engine)
    provide(settings)
    result = judge.evaluate(
        model,
        data,
        out / "cache",
        engine=engine,
        precision=precision,
        weights=weights,
        store=settings.cache,
        everything=everything,
        progress=progress,
    )
    result.save(out)
    table = Table(title=f"{result.model}, {result.photos} photos")
    for i, column in enumerate(result.columns):
        table.add_column(column, justify="left" if i == 0 else "right")
    for row in result.rows:
        table.add_row(*row)
    Console(emoji=False).print(table)
    typer.echo(f"Figures: {out / 'evaluation.json'}\nWorst:   {out / 'worst.jpg'} (green: the truth, red: found)")
