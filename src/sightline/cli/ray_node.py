"""Ray on this machine, from its start to Ctrl-C: what ``sightline cluster start`` and ``join`` run."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import typer

from sightline.core.errors import ConfigError
from sightline.inference.places.ray_connect import check_installed, check_reachable, node_command, telling, words_for
from sightline.settings.environment import environment_for_ray

STARTED = "Ray runtime started"


def run_node(head: str | None, port: int, *, token: Path, ready: str, **options: str | int | None) -> None:
    """Run Ray here until Ctrl-C: a new cluster, or a part of the one at ``head``. Raises ConfigError."""
    check_installed()
    if head is not None:
        check_reachable(head)
    process = subprocess.Popen(
        node_command(head, port, **options),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment_for_ray(token),
        start_new_session=True,  # Ctrl-C is for us, who then end it in order
    )

    asked: list[int] = []

    def end(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        process.terminate()

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        said = _read(process, ready)
        code = process.wait()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if code != 0 and not asked:
        raise ConfigError(words_for(RuntimeError(telling(said)), head or "auto"))


def _read(process: subprocess.Popen[str], ready: str) -> str:
    """Read what Ray says to the end, and say in its place when it is ready. Returns what it said."""
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said = [*said[-200:], line]
        if STARTED in line:
            typer.echo(ready, err=True)
    return "".join(said)


def labels_of(given: Sequence[str]) -> str | None:
    """Return NAME=VALUE labels as Ray takes them. Raises ConfigError."""
    pairs = [text.partition("=") for text in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise ConfigError(f"--label {name[:40]!r}: expected NAME=VALUE")
    return ",".join(f"{name}={value}" for name, _, value in pairs) or None
