"""A Ray cluster of several nodes on this machine, each of which stands for a machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import psutil

from support.own_network import OwnNetwork

START_S = 60.0
LOCAL = "127.0.0.1"


@dataclass
class Node:
    """One node: Ray's processes, and the replicas that it has."""

    process: subprocess.Popen[bytes]
    label: str
    said: Path
    """What Ray printed."""

    def started(self) -> bool:
        """Whether it is a part of the cluster."""
        said = self.said.read_text(errors="replace")
        assert self.process.poll() is None, said
        return "Ray runtime started" in said

    @property
    def processes(self) -> list[psutil.Process]:
        """All of its processes, the children first."""
        try:
            own = psutil.Process(self.process.pid)
            return [*reversed(own.children(recursive=True)), own]
        except psutil.NoSuchProcess:
            return []

    @property
    def replicas(self) -> list[psutil.Process]:
        """The processes of its replicas."""
        found = []
        for one in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                if "Replica" in " ".join(one.cmdline()):
                    found.append(one)
        return found

    def signal(self, what: signal.Signals) -> None:
        """Send it to all processes at once."""
        for one in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(what)


@dataclass
class RayCluster:
    """The head, and its nodes."""

    address: str
    token: Path
    env: dict[str, str]
    """What a process needs in its environment to be a part of it."""
    nodes: list[Node] = field(default_factory=list)


@contextmanager
def ray_cluster(*cpus: int, env: Mapping[str, str] | None = None, ip: str = LOCAL) -> Iterator[RayCluster]:
    """A head without cores for replicas, and a node for each number of cores, labelled ``m=0``, ``m=1`` and so on.

    ``ip``: the address of all of them.
    """
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        token = Path(folder, "token")
        token.write_text(secrets.token_hex(16))
        own = {
            **os.environ,
            **(env or {}),
            "RAY_TMPDIR": folder,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "SIGHTLINE_CACHE": str(Path(folder, "cache")),
            "PYTHONWARNINGS": "ignore",
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        options = ["--head", "--port=0", "--include-dashboard=false"]
        head = stack.enter_context(_node("head", own, options, 0, ip))
        named = Path(folder, "ray", "ray_current_cluster")
        _until(lambda: head.started() and named.exists() and named.read_text().strip() != "")  # it is made empty
        address = named.read_text().strip()
        cluster = RayCluster(address, token, {key: own[key] for key in ("RAY_TMPDIR", "PYTHONWARNINGS")})
        for number, count in enumerate(cpus):
            cluster.nodes.append(stack.enter_context(add_node(cluster, number, count, own, ip=ip)))
        yield cluster


@contextmanager
def add_node(
    cluster: RayCluster,
    number: int,
    cpus: int,
    env: Mapping[str, str] | None = None,
    *,
    ip: str = LOCAL,
    network: OwnNetwork | None = None,
) -> Iterator[Node]:
    """One more node, as long as it lasts. ``network``: where it is, if not in that of the others."""
    seen = {**os.environ, **cluster.env, **(env or {})}
    prefix = [] if network is None else network.prefix
    with _node(str(number), seen, [f"--address={cluster.address}"], cpus, ip, prefix) as node:
        _until(node.started)
        yield node


@contextmanager
def _node(
    label: str, env: Mapping[str, str], options: list[str], cpus: int, ip: str, prefix: Sequence[str] = ()
) -> Iterator[Node]:
    said = Path(env["RAY_TMPDIR"], f"said-{label}-{secrets.token_hex(4)}")
    with said.open("wb") as output:
        process = _popen(label, env, [f"--node-ip-address={ip}", *options], cpus, output, prefix)
    node = Node(process, label, said)
    try:
        yield node
    finally:
        left = node.processes
        node.signal(signal.SIGCONT)
        node.signal(signal.SIGKILL)
        process.wait()
        psutil.wait_procs(left, 10)


def _popen(
    label: str, env: Mapping[str, str], options: list[str], cpus: int, output: BinaryIO, prefix: Sequence[str]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *(*prefix, sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *options),
            *(f"--num-cpus={cpus}", "--num-gpus=0", f"--labels=m={label}"),
            *("--include-log-monitor=false", f"--object-store-memory={100 << 20}"),
        ],
        env=dict(env),
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _until(holds: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < START_S, "Ray did not start"
        time.sleep(0.05)
