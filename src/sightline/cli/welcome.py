"""Welcome message of ``serve``: the server's addresses, and a code for the first phone.

Tickets are shown on a terminal only, as text in a pipe ends up in a log.
"""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from fastapi import FastAPI

from sightline.security import tls
from sightline.security.authorization import TICKET_S
from sightline.security.tokens import ALL
from sightline.server import qr
from sightline.server.api.session import join_url
from sightline.server.state import state_of
from sightline.settings.settings import Settings

FIRST_PHONE = "phone"
"""Name of the stream that a phone publishes after it scanned the terminal's code."""


@contextmanager
def _unread() -> Iterator[None]:
    """Go on where nobody reads what is printed, or its disk is full. Nothing more is printed then."""
    try:
        yield
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class Welcome:
    """Printer of the addresses; the server calls it as it comes up."""

    def __init__(self, settings: Settings, app: FastAPI, *, open_page: bool) -> None:
        self._settings = settings
        self._state = state_of(app)
        self._open_page = open_page

    def ready(self, url: str, tcp_url: str | None) -> None:
        """Print the addresses: the server accepts connections."""
        with _unread():
            self._ready(url, tcp_url)

    def _ready(self, url: str, tcp_url: str | None) -> None:
        settings = self._settings
        port = url.rpartition(":")[2]
        everywhere = settings.lan and settings.host in ("0.0.0.0", "::")
        reached = f"https://{tls.main_address()}:{port}" if everywhere else url
        typer.echo(f"\n  Sightline is at {reached}" + (f" and {url}" if reached != url else ""))
        if settings.public_url is not None:
            typer.echo(f"  For others it is at {settings.public_url}")
        elif settings.insecure and settings.host == "0.0.0.0":
            typer.echo(f"  For others it is at {url.partition(':')[0]}://{tls.main_address()}:{port}")
        if tcp_url is not None:
            there = f"tcps://{tls.main_address()}:{tcp_url.rpartition(':')[2]}" if everywhere else tcp_url
            typer.echo(f"  TCP clients connect to {there}" + (f" and {tcp_url}" if there != tcp_url else ""))
        certificate = self._state.certificate
        if certificate is not None and certificate.fingerprint is not None:
            typer.echo(f"  Phones learn to trust it at {reached}/trust. Its authority's SHA-256 is")
            typer.echo(f"  {certificate.fingerprint}")
        if settings.tunnel is not None:
            typer.echo(f"  {settings.tunnel} is asked for an address on the internet; Ctrl-C stops.\n")
        elif settings.tokens:
            self._codes(settings.public_url or reached, here=url)
        else:
            typer.echo("  Open it in a browser and press Add a camera. Ctrl-C stops.\n")
            if self._open_page:
                webbrowser.open(url)
        sys.stdout.flush()

    def public(self, url: str) -> None:
        """Print the public address: the tunnel is open."""
        with _unread():
            typer.echo(f"\n  On the internet Sightline is at {url}")
            self._codes(url, here=url)
            sys.stdout.flush()

    def _codes(self, base: str, *, here: str) -> None:
        access = self._state.access
        admin = join_url(here, access.ticket("admin", ALL)) if self._open_page or sys.stdout.isatty() else ""
        if sys.stdout.isatty():
            scan = join_url(base.rstrip("/"), access.ticket("publish", FIRST_PHONE))
            typer.echo(f"\n{qr.for_terminal(scan)}")
            typer.echo(f"  Scan it with a phone: it becomes the camera of the stream {FIRST_PHONE!r}.")
            typer.echo(f"  To manage everything, open {admin}")
            typer.echo(f"  Both work once, within {TICKET_S / 60:g} minutes. The dashboard makes more. Ctrl-C stops.\n")
        else:
            typer.echo("  Everybody needs a token: `sightline token create --role admin` makes one for you.\n")
        if self._open_page:
            webbrowser.open(admin)
