"""``sightline record``: have a running server record a stream."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from sightline.cli.answers import URL
from sightline.core.errors import ConfigError
from sightline.core.types import check_stream_name
from sightline.settings.environment import client_authority, client_token

if TYPE_CHECKING:
    from sightline.client.links import Address


def record(
    stream: Annotated[str, typer.Argument(help="Name of the stream.")],
    url: Annotated[str, typer.Option(help="The server: ws://HOST:PORT or wss://HOST.")] = URL,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, max=86400, help="For how long. Default: until --stop.", show_default=False),
    ] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Record no longer by hand.")] = False,
) -> None:
    """Have a running server record a stream from now on, whatever its settings say.

    A token is taken from SIGHTLINE_TOKEN.
    """
    from sightline.client.asking import ask

    if stop and seconds is not None:
        raise ConfigError("--seconds and --stop: expected one of the two")
    address = server_at(url)
    wish = {"on": not stop, "seconds": seconds}
    answer = json.loads(ask(address, f"/api/recordings/{check_stream_name(stream)}/record", json.dumps(wish).encode()))
    if answer["recording"]:
        how = "" if answer["by_hand"] else f", as its mode is {answer['mode']}"
        typer.echo(f"{stream} is being recorded{how}.", err=True)
    else:
        typer.echo(f"{stream} is not recorded{': ' + answer['why'] if answer['why'] else ''}.", err=True)


def server_at(url: str) -> Address:
    """Return the server of an option ``--url``, with the token of the environment. Raises ConfigError."""
    from sightline.client.links import Address

    address = Address(url, token=client_token(), ca=client_authority())
    if not address.url.startswith("ws"):
        raise ConfigError(f"--url {address.url}: expected ws://HOST:PORT or wss://HOST")
    return address
