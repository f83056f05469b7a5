"""``sightline train``: train your own detector or segmenter."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from sightline.core.errors import ConfigError
from sightline.core.install import install_command


class Kind(StrEnum):
    """Tasks that a model can be trained for."""

    detect = "detect"
    segment = "segment"


def check_extra() -> None:
    """Raise ConfigError if the extra ``[train]`` is not installed."""
    missing = [name for name in ("onnx", "pycocotools", "torch") if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}; run: {install_command('train')}")


def train(
    task: Annotated[Kind, typer.Argument(help="detect: boxes with classes. segment: a class for every pixel.")],
    data: Annotated[
        Path, typer.Option(help="The data set: COCO boxes, a folder of masks, or archives; see docs/training.md.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of this run; the model is named after it.")],
    epochs: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            max=1e6,
            help="How often each photo is seen. Without --minutes: 100, or as often as 200 steps need.",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, max=1e6, help="End after this many minutes, if --epochs doesn't end it earlier."),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, max=4096, help="Pictures per step.")] = 32,
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="Processes that train together; on a CPU one per core is fastest.")
    ] = 1,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            min=1e-9,
            max=10,
            help="Learning rate at the start; it falls along a cosine. 0.0005, or 0.002 with --start-from none.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    teacher: Annotated[
        str | None, typer.Option(help="A detector that labels the classes for which a photo has no labels.")
    ] = None,
    start_from: Annotated[
        str,
        typer.Option(
            help="Weights to begin with: nano, person, another run's checkpoint.pt or ONNX file, or none. "
            "auto: nano for detect, person for segment."
        ),
    ] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
) -> None:
    """Train a model on your own photos and write it as ONNX, ready for --model. Ctrl-C saves; --resume goes on."""
    check_extra()
    from sightline.train.loop import TrainOptions
    from sightline.train.session import TrainPlan, run

    options = TrainOptions(
        epochs=epochs,
        minutes=minutes,
        batch_size=batch_size,
        device=device,
        processes=processes,
    )
    plan = TrainPlan(task.value, data, out, options, teacher, start_from, resume, learning_rate)
    path = run(plan, typer.echo)
    if path is None:
        typer.echo(f"\nStopped and saved. Go on with the same command and --resume (the run is in {out}).")
        raise typer.Exit(130)
    typer.echo(f"\nTrained: {path}\nReport:  {out / 'report.md'}\nTry it:  sightline serve --model {path}")
