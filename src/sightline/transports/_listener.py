"""Accepts connections: TLS handshakes have a time limit, and where descriptors run out, the next ones wait."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from functools import partial

from sightline.core.errors import shortage
from sightline.security.connections import Connections, OpenConnection

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Connections that the system keeps until they are accepted."""
RETRY_S = 0.1
"""Seconds until the next try where a connection could not be accepted."""
CROWDED_S = 0.002
"""Seconds until the next connection where each closes another: the newest have time to say who they are."""
OVER_S = 1.0
"""Seconds without a failure after which a shortage is over."""


class Listener:
    """The connections of one bound socket. ``make`` gives each its protocol, which says when it is gone."""

    def __init__(
        self,
        bound: socket.socket,
        connections: Connections,
        make: Callable[[OpenConnection], asyncio.BaseProtocol],
        *,
        tls: ssl.SSLContext | None,
        handshake_s: float,
        shutdown_s: float,
        opening: int = 0,
    ) -> None:
        """``handshake_s``, ``shutdown_s``: seconds that a peer has for a TLS handshake, and for its end.

        ``opening``: see ``OpenConnection``.
        """
        self._bound, self._connections, self._make, self._opening = bound, connections, make, opening
        self._tls: dict[str, object] = {}
        if tls is not None:
            self._tls = {"ssl": tls, "ssl_handshake_timeout": handshake_s, "ssl_shutdown_timeout": shutdown_s}
        self._beginning: set[asyncio.Task[None]] = set()
        self._failing: asyncio.TimerHandle | None = None
        """Runs out when there was no failure for a while; None while all is well."""
        bound.listen(BACKLOG)
        bound.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())

    def close(self) -> None:
        """Accept no more."""
        self._accepting.cancel()
        for task in self._beginning:
            task.cancel()
        self._bound.close()

    async def end(self) -> None:
        """Accept no more, where the loop goes on: nobody may look at the socket when its number is given to another."""
        self._accepting.cancel()
        await asyncio.wait([self._accepting])
        self.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(self._bound)
            except Exception as e:  # noqa: BLE001 - nothing may end a listener
                if self._failed(e):
                    self._connections.make_room()
                await asyncio.sleep(RETRY_S)
                continue
            connection = self._connections.come(str(address[0]), opening=self._opening)
            task = asyncio.create_task(self._begin(accepted, connection))
            connection.close = partial(_cancel, task)
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
            # Even 0 lets the loop do its other work, which a flood of connections must not keep it from.
            await asyncio.sleep(CROWDED_S if self._connections.crowded else 0)

    async def _begin(self, accepted: socket.socket, connection: OpenConnection) -> None:
        """Hand a socket to its protocol, after the TLS handshake if there is to be one."""
        try:
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop = asyncio.get_running_loop()
            transport, _ = await loop.connect_accepted_socket(lambda: self._make(connection), accepted, **self._tls)  # type: ignore[arg-type]
            connection.close = transport.abort
        except (OSError, asyncio.CancelledError) as e:
            connection.gone()
            accepted.close()
            log.debug("%s: no connection came about: %s", connection.network, e)

    def _failed(self, error: Exception) -> bool:
        """Tell of a failure, once. True where it is a shortage."""
        short = shortage(error)
        if self._failing is None:
            log.warning("connections can't be accepted and wait: %s", error if short is None else short.message)
        else:
            self._failing.cancel()
        self._failing = asyncio.get_running_loop().call_later(OVER_S, self._over)
        return short is not None

    def _over(self) -> None:
        self._failing = None
        log.warning("connections are accepted again")


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
