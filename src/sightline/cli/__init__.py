"""Command line with one file for each command. Each file imports what it needs when the command runs."""

from __future__ import annotations

import os
import sys

import typer
from rich.console import Console
from rich.text import Text

from sightline.cli import pip_command
from sightline.cli.bench import bench
from sightline.cli.cluster import cluster
from sightline.cli.doctor import doctor
from sightline.cli.evaluate import evaluate
from sightline.cli.models import models
from sightline.cli.push import push
from sightline.cli.record import record
from sightline.cli.recordings import recordings
from sightline.cli.replay import replay
from sightline.cli.run import run
from sightline.cli.serve import serve
from sightline.cli.stress import stress
from sightline.cli.token import token
from sightline.cli.train import train
from sightline.cli.watch import watch
from sightline.core.errors import SightlineError, Unauthorized
from sightline.core.version import __version__
from sightline.settings.environment import client_token

BROKEN_PIPE = 141
"""Exit status for a broken pipe: 128 and SIGPIPE."""

MAX_PIXELS = 1 << 28
"""Most pixels that OpenCV decodes of any picture. It takes the limit from the environment when it is imported."""

NO_TOKEN = "this server asks for a token: expected one in SIGHTLINE_TOKEN (sightline token create makes it there)"

app = typer.Typer(
    name="sightline",
    help="Turn any camera into a live, annotated, machine-readable stream.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # otherwise the lines of a docstring are kept as they are
)


def _version(shown: bool) -> None:
    if shown:
        typer.echo(f"sightline {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", help="Show the version.", callback=_version, is_eager=True),
) -> None:
    return


for _command in (serve, run, push, watch, record, replay, doctor, stress, train, evaluate):  # in the order of the help
    app.command()(_command)
app.add_typer(models, name="models")
app.add_typer(token)
app.add_typer(recordings)
app.add_typer(cluster)
app.add_typer(bench, name="bench")


def main() -> None:
    """Run the command line. A SightlineError is printed without a traceback and ends with status 2."""
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "FATAL")  # what it writes of a damaged picture is said in our own words
    try:
        app()
    except SightlineError as e:
        if isinstance(e.__cause__, BrokenPipeError):  # `| head` has read enough: end as the shell's own tools do
            sys.exit(BROKEN_PIPE)
        message = NO_TOKEN if isinstance(e, Unauthorized) and client_token() is None else e.message
        said = Text.assemble(("error:", "bold red"), " ", pip_command.exactly(message))
        Console(stderr=True).print(said, highlight=False, soft_wrap=True)
        sys.exit(2)
    except OSError as e:  # of a place that a person named: its name is too long, it may not be read
        place = f"{e.filename}: " if e.filename else ""
        Console(stderr=True).print(Text.assemble(("error:", "bold red"), f" {place}{e.strerror or e}"), soft_wrap=True)
        sys.exit(2)
