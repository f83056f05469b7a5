"""Ray on this machine, from its start to Ctrl-C: what ``sightline cluster start`` and ``join`` run."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from sightline.core.backoff import Backoff
from sightline.core.errors import ConfigError
from sightline.core.net import is_address
from sightline.inference.places.ray_connect import (
    REFUSED,
    check_installed,
    check_reachable,
    node_command,
    telling,
    words_for,
)
from sightline.settings.environment import environment_for_ray

STARTED = "Ray runtime started"
AGAIN_S = 5.0, 60.0
"""Time before Ray is started again: at first, and at most."""


def run_node(head: str | None, port: int, *, token: Path, ready: str, **options: str | int | None) -> None:
    """Run Ray here until Ctrl-C: a new cluster, or a part of the one at ``head``. Raises ConfigError.

    Where Ray ends by itself on a machine that joined, as after a cluster has given it up, it is started again.
    """
    check_installed()
    own = options.get("node_ip_address")
    if own is not None and not is_address(str(own)):
        raise ConfigError(f"--ip {own}: expected this machine's address, such as 192.168.1.20")
    if head is not None:
        check_reachable(head)
    node = _Node(node_command(head, port, **options), environment_for_ray(token), ready)
    with node.ended_by_signals():
        node.run()
        if head is not None:
            _join_again(node, head)
    if node.code != 0 and not node.asked.is_set():
        raise ConfigError(words_for(RuntimeError(telling(node.said)), head or "auto"))


def _join_again(node: _Node, head: str) -> None:
    """Start Ray again and again, if it has run once, until somebody asks for its end."""
    backoff = Backoff(*AGAIN_S)
    why = words_for(RuntimeError(telling(node.said)), head)
    while node.started and not node.asked.is_set():
        typer.echo(f"Ray ended on this machine, which joins the cluster again: {why}", err=True)
        if node.asked.wait(backoff.wait_s()):
            return
        try:
            check_reachable(head)
        except ConfigError as e:
            why = e.message
            continue
        begun = time.monotonic()
        node.run()
        why = words_for(RuntimeError(telling(node.said)), head)
        if time.monotonic() - begun > AGAIN_S[1]:
            backoff.reset()


class _Node:
    """Ray's processes on this machine, one after the other."""

    def __init__(self, command: list[str], env: dict[str, str], ready: str) -> None:
        self.asked = threading.Event()
        """Set once somebody asks for the end."""
        self.started = False
        """Whether it was ever a part of a cluster."""
        self.said, self.code = "", 0
        self._command, self._env, self._ready = command, env, ready
        self._process: subprocess.Popen[str] | None = None

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Ctrl-C is for us, who then end it in order."""
        before = {one: signal.signal(one, self._end) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def run(self) -> None:
        """Run it to its end, and say when it is ready."""
        said: list[str] = []
        with subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._env,
            start_new_session=True,
        ) as self._process:
            assert self._process.stdout is not None
            for line in self._process.stdout:
                said = [*said[-200:], line]
                if REFUSED in line:
                    self._process.terminate()
                if STARTED in line:
                    self.started = True
                    typer.echo(self._ready, err=True)
        self.said, self.code = "".join(said), self._process.returncode

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.asked.set()
        if self._process is not None:
            self._process.terminate()


def labels_of(given: Sequence[str]) -> str | None:
    """Return NAME=VALUE labels as Ray takes them. Raises ConfigError."""
    pairs = [text.partition("=") for text in given]
    for name, equals, value in pairs:
        if not (name and equals and value):
            raise ConfigError(f"--label {name[:40]!r}: expected NAME=VALUE")
    return ",".join(f"{name}={value}" for name, _, value in pairs) or None
