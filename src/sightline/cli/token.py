"""``sightline token``: manage access to a server that asks for tokens."""

from __future__ import annotations

import re
import time
from typing import Annotated

import typer

from sightline.cli.tables import print_table
from sightline.core.errors import ConfigError
from sightline.security.tokens import ALL, Store, TokenRecord
from sightline.settings.settings import data_folder

token = typer.Typer(
    name="token",
    help="Make, list and revoke tokens: who may use a server that runs with --lan or --tunnel.",
    no_args_is_help=True,
)

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@token.command()
def create(
    role: Annotated[str, typer.Option(help="publish: be the camera; view: pictures and results; admin: everything.")],
    stream: Annotated[str | None, typer.Option(help="The stream's name. Default: all streams.")] = None,
    expires: Annotated[
        str, typer.Option(metavar="TIME", help="How long it is valid: 30m, 12h, 7d, 4w, or never.")
    ] = "30d",
) -> None:
    """Make a token and show it, this once. A running server accepts it immediately.

    Programs send it as Authorization: Bearer TOKEN; our own commands take it from SIGHTLINE_TOKEN.
    """
    made, record = Store(data_folder()).create(role, stream or ALL, lifetime=_seconds(expires))
    typer.echo(made)
    typer.echo(f"{record.id}: {_right(record)}, {_end(record)}. It is not shown again.", err=True)


@token.command("list")
def show() -> None:
    """List all tokens, without their secrets."""
    records = Store(data_folder()).records()
    if not records:
        typer.echo("There are no tokens.", err=True)
        return
    rows = [
        (
            record.id,
            record.role,
            "all" if record.stream == ALL else record.stream,
            time.strftime("%Y-%m-%d %H:%M", time.localtime(record.created)),
            _end(record),
            "a browser" if record.kind == "browser" else "programs",
        )
        for record in sorted(records, key=lambda record: record.created)
    ]
    print_table(("id", "role", "stream", "made", "ends", "for"), rows)


@token.command()
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID", help="As `sightline token list` shows it.")]) -> None:
    """Revoke a token. A running server ends its sessions within a second."""
    record = Store(data_folder()).revoke(token_id)
    typer.echo(f"{record.id} is revoked: {_right(record)}.", err=True)


def _seconds(text: str) -> float | None:
    if text == "never":
        return None
    found = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if found is None or int(found[1]) == 0:
        raise ConfigError(f"--expires {text[:40]!r}: expected a number with s, m, h, d or w, such as 7d, or never")
    return float(found[1]) * UNITS[found[2]]


def _right(record: TokenRecord) -> str:
    return f"{record.role} of {'all streams' if record.stream == ALL else record.stream}"


def _end(record: TokenRecord) -> str:
    if record.expires is None:
        return "never ends"
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.expires))
    return f"ended {when}" if record.expired(time.time()) else f"until {when}"
