"""LAN mode of a server on loopback, opened while it runs: one more listener, with TLS, that asks for tokens."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from sightline.core.errors import ConfigError
from sightline.core.net import is_loopback
from sightline.core.supervisor import Supervisor
from sightline.security import tls
from sightline.security.authorization import Access
from sightline.security.connections import Connections
from sightline.security.tls import Certificate
from sightline.security.tokens import Store
from sightline.server.endpoint import certificate_of, listen
from sightline.settings.settings import Settings, data_folder
from sightline.transports._listener import Listener

log = logging.getLogger(__name__)

EVERYWHERE = "0.0.0.0"
USUAL_PORT = 8443
"""Port that is tried first, so that phones find the server again where it was."""
DRAIN_S = 1.0
"""Seconds in which those who came by LAN mode are told why they have to go."""
LOOK_S = 0.05
"""Seconds between two looks whether they are gone."""

MakeListener: TypeAlias = Callable[[socket.socket, ssl.SSLContext, int], Listener]
"""Makes the listener of a bound socket, for that opening of LAN mode."""


@dataclass(frozen=True, slots=True)
class _Opened:
    number: int
    port: int
    since: float
    certificate: Certificate
    keeping: asyncio.Task[None]
    listener: Listener


class LanMode:
    """Opens the server to the local network, and closes it again. On the event loop only.

    Whoever comes that way needs a token. The server's own listeners, and who came by them, stay as they are.
    """

    def __init__(self, settings: Settings, access: Access, connections: Connections) -> None:
        self._settings = settings
        self._access = access
        self._connections = connections
        self._make: MakeListener | None = None
        self._supervisor: Supervisor | None = None
        self._opened: _Opened | None = None
        self._changing = asyncio.Lock()

    def begin(self, make: MakeListener, supervisor: Supervisor) -> None:
        """It can be opened from now on: the server accepts connections."""
        self._make, self._supervisor = make, supervisor

    def stop(self) -> None:
        """Accept no more: the server ends."""
        self._make = None
        if self._opened is not None:
            self._opened.listener.close()

    @property
    def since(self) -> float | None:
        """Seconds since 1970 when it was opened; None while it is closed."""
        return None if self._opened is None else self._opened.since

    @property
    def url(self) -> str | None:
        """Address by which phones reach the server; None while it is closed."""
        return None if self._opened is None else f"https://{tls.main_address()}:{self._opened.port}"

    @property
    def certificate(self) -> Certificate | None:
        """What is shown to those who come that way; None while it is closed."""
        return None if self._opened is None else self._opened.certificate

    @property
    def why_not(self) -> str | None:
        """Why it can't be opened; None where it can."""
        settings = self._settings
        if settings.lan:
            return "this server was started with --lan: it is open to the local network as long as it runs"
        if settings.tunnel is not None:
            return "this server is open to the internet by a tunnel, which phones here can use as well"
        if settings.public_url is not None:
            return "this server stands behind a proxy, by whose address phones reach it"
        if not is_loopback(settings.host):
            return f"this server listens on {settings.host}, not on this machine alone: start it with --lan"
        if settings.cluster.hubs:
            return "this server is one of several hubs: start each of them with --lan"
        if self._make is None:
            return "this server is ending, or another program than sightline serve runs it"
        if is_loopback(tls.main_address()):
            return "this machine is in no network: connect it to the one that the phone is in"
        return None

    async def open(self, port: int | None = None) -> None:
        """Open it on that port, or a usual one. Nothing happens where it is open. Raises ConfigError or Shortage."""
        async with self._changing:
            if self._opened is not None:
                return
            self._check()
            certificate = certificate_of(self._settings.model_copy(update={"lan": True}))
            assert certificate is not None
            context = await asyncio.to_thread(certificate.context)
            make, supervisor = self._check()
            bound = _bind(port)
            try:
                number = self._access.open(Store(data_folder(self._settings)))
                listener = make(bound, context, number)
            except BaseException:
                self._access.close()
                bound.close()
                raise
            keeping = supervisor.start("certificate of LAN mode", partial(certificate.keep, context))
            taken = bound.getsockname()[1]
            self._opened = _Opened(number, taken, time.time(), certificate, keeping, listener)
            log.warning("LAN mode is open at %s: who comes that way needs a token", self.url)

    async def close(self) -> None:
        """Let nobody in that way any more, and end those who came. Nothing happens where it is closed."""
        async with self._changing:
            opened, self._opened = self._opened, None
            if opened is None:
                return
            await opened.listener.end()
            opened.keeping.cancel()
            self._access.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    while self._connections.of_opening(opened.number):  # noqa: ASYNC110 - they tell nobody
                        await asyncio.sleep(LOOK_S)
            for connection in self._connections.of_opening(opened.number):
                connection.close()
            log.warning("LAN mode is closed")

    def _check(self) -> tuple[MakeListener, Supervisor]:
        if (why := self.why_not) is not None:
            raise ConfigError(why)
        assert self._make is not None
        assert self._supervisor is not None
        return self._make, self._supervisor


def _bind(port: int | None) -> socket.socket:
    """Bind that port; without one the usual, or where another program has that, any that is free."""
    if port is not None:
        return listen(EVERYWHERE, port, option="port")
    try:
        return listen(EVERYWHERE, USUAL_PORT, option="port")
    except ConfigError:
        return listen(EVERYWHERE, 0, option="port")
