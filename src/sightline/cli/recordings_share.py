"""``sightline recordings share|shares|unshare``: links with which anybody sees one recorded time."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sightline.cli.answers import URL
from sightline.cli.record import server_at
from sightline.cli.tables import print_table
from sightline.cli.times import moment_of
from sightline.core.errors import ConfigError
from sightline.core.types import check_stream_name
from sightline.recordings.moments import when

if TYPE_CHECKING:
    from sightline.client.links import Address

LEAST_S, MOST_S = 60, 30 * 86400
"""For how long a link may be good, as the server has it."""

Url = Annotated[str, typer.Option("--url", help="The server: ws://HOST:PORT or wss://HOST.")]


def share(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    start: Annotated[str, typer.Option("--from", help="When it begins: 2026-11-30T08:15:00, or seconds since 1970.")],
    end: Annotated[str, typer.Option("--to", help="When it ends, at most six hours later.")],
    until: Annotated[
        str | None,
        typer.Option(help="When the link ends, at most 30 days from now. Default: in 7 days.", show_default=False),
    ] = None,
    url: Url = URL,
) -> None:
    """Have a running server make a link with which anybody sees this time of a stream, and print it.

    It takes a token of an admin of the stream, from SIGHTLINE_TOKEN.
    """
    from sightline.client.asking import ask

    wish: dict[str, Any] = {"from": moment_of("--from", start), "to": moment_of("--to", end)}
    if until is not None:
        wish["expires_s"] = moment_of("--until", until) - time.time()
        if not LEAST_S <= wish["expires_s"] <= MOST_S:
            raise ConfigError(f"--until {until}: expected a time to come, between a minute and 30 days from now")
    server = server_at(url)
    path = f"/api/recordings/{check_stream_name(stream)}/shares"
    made = json.loads(ask(server, path, json.dumps(wish).encode()))
    typer.echo(_link(server, made))
    span = f"from {when(made['from'])} to {when(made['to'])}"
    typer.echo(f"Until {when(made['ends_at'])} whoever has this link sees {stream} {span}.", err=True)


def shares(url: Url = URL) -> None:
    """List the links of a running server that have not ended, of the streams whose admin one is."""
    from sightline.client.asking import ask

    server = server_at(url)
    found = json.loads(ask(server, "/api/shares"))["shares"]
    if not found:
        typer.echo("There are no links.", err=True)
        return
    rows = [
        (one["id"], one["stream"], when(one["from"]), when(one["to"]), when(one["ends_at"]), _link(server, one))
        for one in found
    ]
    print_table(("id", "stream", "from", "to", "link ends", "link"), rows)


def unshare(
    id: Annotated[str, typer.Argument(metavar="ID|LINK", help="The link, or its id: see sightline recordings shares.")],
    url: Url = URL,
) -> None:
    """Take a link back at once, also from those who look at it now."""
    from sightline.client.asking import ask

    name = id.rpartition("/")[2].partition(".")[0]
    if not name.isalnum():
        raise ConfigError(f"{id[:80]}: expected a link, or the id of one")
    ask(server_at(url), f"/api/shares/{name}", method="DELETE")
    typer.echo("The link is taken back.", err=True)


def _link(server: Address, one: dict[str, Any]) -> str:
    return f"{server.url.replace('ws', 'http', 1)}{one['path']}"
