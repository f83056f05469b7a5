"""``sightline cluster``: the machines of a Ray cluster that models run on."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from sightline.cli.tables import print_table
from sightline.core.errors import ConfigError
from sightline.security import files
from sightline.security.tls import main_address
from sightline.settings.environment import cluster_token
from sightline.settings.machines import PORT
from sightline.settings.settings import load_settings

T = TypeVar("T")

cluster = typer.Typer(
    name="cluster",
    help="Run models on several machines: start a Ray cluster, join one, see its machines, take one out.",
    no_args_is_help=True,
)

Port = Annotated[
    int, typer.Option(min=1024, max=60000, help="First port of this machine: also the next ten, and 900 from +100 on.")
]
Cpus = Annotated[int | None, typer.Option(min=0, help="Cores for replicas. Default: all.")]
Gpus = Annotated[int | None, typer.Option(min=0, help="Graphics cards for replicas. Default: all.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="A label of this machine. May be repeated.")
]
Host = Annotated[str | None, typer.Option("--ip", help="This machine's address for the others. Default: found out.")]


@cluster.command()
def start(port: Port = PORT, cpus: Cpus = None, gpus: Gpus = None, label: Labels = None, ip: Host = None) -> None:
    """Start a cluster with this machine as its head, until Ctrl-C. Makes the token that the others need.

    Ray's dashboard is off. Whoever has the token may run anything on all machines of the cluster.
    """
    from sightline.cli.ray_node import labels_of, run_node

    token = cluster_token(load_settings())
    if not token.is_file():
        keep_token(token, secrets.token_hex(32))
    ip = ip or main_address()  # which Ray does not find in a network without a way out
    address = f"{ip}:{port}"
    ready = (
        f"The cluster runs. On each other machine: sightline cluster join {address}\n"
        f"It asks for the token, which is in {token}\n"
        "On the machine with the cameras, which may be this one: sightline serve --cluster auto"
    )
    own = {"num_cpus": cpus, "num_gpus": gpus, "labels": labels_of(label or []), "node_ip_address": ip}
    run_node(None, port, token=token, ready=ready, **own)


@cluster.command()
def join(
    head: Annotated[str, typer.Argument(metavar="HOST[:PORT]", help="The machine on which the cluster was started.")],
    port: Port = PORT,
    cpus: Cpus = None,
    gpus: Gpus = None,
    label: Labels = None,
    ip: Host = None,
) -> None:
    """Have this machine run models of a cluster, until Ctrl-C. Asks once for the cluster's token."""
    from sightline.cli.ray_node import labels_of, run_node
    from sightline.inference.places.ray_connect import with_port

    token = cluster_token(load_settings())
    if not token.is_file():
        given = typer.prompt("The cluster's token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline()
        if not given.strip():
            raise ConfigError(f"there is no token: expected it on the standard input, or in {token}")
        keep_token(token, given.strip())
    address = with_port(head)
    ready = f"This machine is a part of the cluster at {address}."
    ip = ip or main_address()
    own = {"num_cpus": cpus, "num_gpus": gpus, "labels": labels_of(label or []), "node_ip_address": ip}
    run_node(address, port, token=token, ready=ready, **own)


@cluster.command()
def status() -> None:
    """Show the cluster's machines: what each has, what of it is free, and whether it is being drained."""
    from sightline.inference.places.ray_link import RayLink

    async def look(link: RayLink) -> None:
        rows = [
            (
                one.host,
                one.address,
                one.node[:12],
                f"{one.cpus_free:g} of {one.cpus:g}",
                f"{one.gpus_free:g} of {one.gpus:g}",
                " ".join(f"{name}={value}" for name, value in one.labels.items()),
                "is being drained" if one.leaving else "",
            )
            for one in await link.seen()
        ]
        print_table(("machine", "address", "node", "cores free", "cards free", "labels", "state"), rows)

    _with_link(look)


@cluster.command()
def drain(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Name, address or node id of a machine, as in status.")],
    within: Annotated[int, typer.Option(min=1, max=86400, help="Seconds that they may stay.")] = 300,
) -> None:
    """Take a machine out without losing a frame: its replicas move elsewhere first, and no new ones come.

    Where there is no room elsewhere, they stay until the time is over.
    """
    from sightline.inference.places.ray_link import RayLink

    async def out(link: RayLink) -> None:
        found = [one for one in await link.seen() if node in (one.host, one.address) or one.node.startswith(node)]
        if len(found) != 1:
            there = ", ".join(f"{one.host} ({one.node[:12]})" for one in await link.seen())
            raise ConfigError(f"{node!r} means {len(found)} machines: expected one of {there}")
        await link.drain(found[0].node, within)
        typer.echo(f"{found[0].host} gets no more replicas. Ray ends there when they have moved.", err=True)

    _with_link(out)


def keep_token(path: Path, token: str) -> None:
    """Keep the cluster's token for the owner of the folder only."""
    files.make_folder(path.parent)
    files.write(path, token.encode())


def _with_link(work: Callable[..., Awaitable[T]]) -> T:
    from sightline.inference.places.ray_link import RayLink

    async def run() -> T:
        link = RayLink(load_settings())
        try:
            return await work(link)
        finally:
            await link.close()

    return asyncio.run(run())
