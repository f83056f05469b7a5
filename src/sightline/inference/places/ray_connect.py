"""Joining a Ray cluster, and what is wrong in words where that fails. ``ray`` is imported when it is needed."""

from __future__ import annotations

import atexit
import importlib.util
import logging
import re
import socket
import subprocess
import sys
import time

from sightline.core.errors import FAULTS, ConfigError, cancelled, told
from sightline.inference.places.answering import die_with_parent
from sightline.settings.machines import PORT

NAMESPACE = "sightline"
LACKING = "the package ray is not installed; run: pip install 'sightline-vision[cluster]'"
REFUSED = "InvalidAuthToken"
"""What Ray prints, each second for half a minute, where the token is wrong."""
WORKERS = 100, 999
"""Ports of replicas, after the machine's first one."""
OWN_PORT = PORT + 1000
"""First port of a hub that is a part of the cluster without replicas: the head may be on the same machine."""
REACH_S = 5.0
START_S = 45.0


def check_installed() -> None:
    """Raise ConfigError where Ray is not installed here. Imports nothing."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError(LACKING)


def connect(address: str) -> str:
    """Be a driver of the cluster until this process ends. Returns Ray's version. Raises ConfigError."""
    check_installed()
    import ray
    from ray._private import services

    if address != "auto":
        address = with_port(address)
        check_reachable(address)
        if not services.find_node_ids():
            _be_a_node(address)
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=False,
        )
    except FAULTS as e:
        if cancelled(e):
            raise
        raise ConfigError(words_for(e, address, here=bool(services.find_node_ids()))) from None
    return str(ray.__version__)


def with_port(address: str) -> str:
    """Return HOST:PORT for HOST, too."""
    return address if re.search(r":\d+$", address) else f"{address}:{PORT}"


def check_reachable(address: str) -> None:
    """Raise ConfigError where nobody listens at HOST:PORT. Ray would try for a minute."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH_S).close()
    except OSError as e:
        said = e.strerror or told(e)
        raise ConfigError(f"the Ray cluster at {address} can't be reached: {said}. Is its machine on?") from None


def node_command(head: str | None, port: int, **options: str | int | None) -> list[str]:
    """Return the command that runs Ray on this machine: a new cluster, or a part of the one at ``head``.

    Every port that Ray opens here is told, so that a firewall can name them. The head's own is ``port``.
    """
    return [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
        *(["--head", f"--port={port}", "--include-dashboard=false"] if head is None else [f"--address={head}"]),
        f"--node-manager-port={port + 1}",
        f"--object-manager-port={port + 2}",
        f"--runtime-env-agent-port={port + 3}",
        f"--metrics-export-port={port + 4}",
        f"--dashboard-agent-grpc-port={port + 5}",
        f"--dashboard-agent-listen-port={port + 6}",
        f"--min-worker-port={port + WORKERS[0]}",
        f"--max-worker-port={port + WORKERS[1]}",
        "--include-log-monitor=false",
        *(f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None),
    ]


def _be_a_node(address: str) -> None:
    """Make this machine a part of the cluster that runs no replicas: Ray's drivers must be on one."""
    from ray._private import services

    node = subprocess.Popen(
        node_command(address, OWN_PORT, num_cpus=0, num_gpus=0),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent,
    )
    atexit.register(node.terminate)
    begun = time.monotonic()
    while not services.find_node_ids():
        if node.poll() is not None or time.monotonic() - begun > START_S:
            node.terminate()
            said = node.communicate()[0].decode(errors="replace")
            raise ConfigError(words_for(RuntimeError(telling(said)), address))
        time.sleep(0.1)


def telling(said: str) -> str:
    """Return the line of what Ray printed that tells most, and where versions differ those that name them."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    differ = next((n for n, line in enumerate(lines) if "ersion mismatch" in line), None)
    if differ is not None:
        return "\n".join(lines[differ : differ + 8])
    return ([line for line in lines if "Error" in line or REFUSED in line] or lines or [""])[-1]


def words_for(error: BaseException, address: str, *, here: bool = False) -> str:
    """Say what is wrong with a cluster, and what to do. ``here``: Ray runs on this machine."""
    said = str(error)
    name = type(error).__name__
    where = "this machine's Ray" if address == "auto" else f"the Ray cluster at {address}"
    if "ersion mismatch" in said:
        return f"{where} is of another version{_versions(said)}: expected the same Ray and Python on all machines"
    if "uthenti" in name or "uthenti" in said or "oken" in said or (here and name == "ConnectionError"):
        return f"{where} does not accept the cluster's token: expected the one that sightline cluster start made"
    if address == "auto" and ("not find any running Ray" in said or name == "ConnectionError"):
        return "no Ray runs on this machine: expected sightline cluster start, or sightline cluster join HOST, before"
    return f"{where} can't be used: {told(error).splitlines()[0][:200]}"


def _versions(said: str) -> str:
    """Return the versions there and here, as far as Ray tells them."""
    found = re.findall(r"(Ray|Python)(?:: ?| version (?:is )?)(\d\S+)", said)
    pairs = [" ".join(pair) for pair in found]
    half = len(pairs) // 2
    return f" ({', '.join(pairs[:half])}; here it is {', '.join(pairs[half:])})" if half else ""
