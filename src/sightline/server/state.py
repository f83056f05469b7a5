"""State that the parts of a server share. It is made with the app, and filled in as the server comes up."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field

from fastapi import FastAPI
from starlette.requests import HTTPConnection

from sightline.outputs._dispatcher import Dispatcher
from sightline.security.authentication import Tries
from sightline.security.authorization import Access
from sightline.security.tls import Certificate
from sightline.server.supervisor import Supervisor
from sightline.streams.hub import Hub
from sightline.streams.rendering import Drawing


@dataclass(slots=True)
class ServerState:
    """One app's state. The hub, the drawing and the dispatchers are there while the app runs."""

    access: Access
    tries: Tries
    """Wrong tokens by address."""
    proxied: bool
    """True where a program on this machine passes requests on, and says for whom it asks."""
    public_url: str | None
    """Address under which others reach the server; a tunnel's once it is known."""
    tcp_listener: socket.socket | None = None
    """Bound socket for TCP clients, where there is to be one."""
    certificate: Certificate | None = None
    """Certificate that the server shows; None for plain HTTP."""
    tls: ssl.SSLContext | None = None
    """TLS context of the server; None for plain HTTP."""
    supervisor: Supervisor = field(default_factory=Supervisor)
    """Keeps the server's own tasks going."""
    started_at: float = 0.0
    """``time.monotonic()`` at the start."""
    hub: Hub = field(init=False)
    drawing: Drawing = field(init=False)
    dispatchers: list[Dispatcher] = field(init=False)
    """One for each of the operator's outputs."""


def state_of(where: FastAPI | HTTPConnection) -> ServerState:
    """The state of an app, or of the app that serves a request."""
    app = where.app if isinstance(where, HTTPConnection) else where
    state: ServerState = app.state.server
    return state
