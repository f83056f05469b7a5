"""One UDP port for all WebRTC peers, so that a container or a firewall has to let one through.

aioice gives every peer sockets of its own, on any port. Here all peers share one socket for each of this machine's
addresses. A datagram is the peer's whose name its STUN request has, or whose request it answers, or that sent from the
same address before.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, cast

from aioice.candidate import Candidate, candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses, server_reflexive_candidate

from sightline.core.errors import ConfigError
from sightline.transports.webrtc.strangers import Address, asked, is_stun, proves, stun_name

log = logging.getLogger(__name__)

MOST_ADDRESSES = 4096
"""Addresses of peers that a socket remembers; a peer has a few. The one heard of first is forgotten first."""
Gather = Callable[..., Awaitable[list[Candidate]]]


class UdpPort:
    """The port. Its sockets open with the first peer that needs them, and stay open."""

    def __init__(self, port: int, announced: Iterable[str] = ()) -> None:
        """``announced``: addresses by which peers reach this port, besides this machine's own."""
        self._port = port
        self._announced = list(announced)
        self._sockets: dict[str, _Socket] = {}
        self._taken = False

    async def open(self) -> None:
        """Open a socket for each of this machine's addresses. Raises ConfigError if another program has the port."""
        for address in get_host_addresses(use_ipv4=True, use_ipv6=True):
            await self._socket(address)
        if self._taken:
            raise ConfigError(f"UDP port {self._port} is taken: expected a free one (setting webrtc_port)")

    def close(self) -> None:
        """Close all sockets."""
        for one in self._sockets.values():
            one.transport.close()
        self._sockets.clear()

    def share(self, connection: Connection) -> None:
        """Have a connection use this port, before it looks for candidates."""
        gather = connection.get_component_candidates
        connection.get_component_candidates = partial(self._gather, connection, gather)  # type: ignore[method-assign]

    async def _gather(
        self, connection: Connection, gather: Gather, component: int, addresses: list[str], **options: Any
    ) -> list[Candidate]:
        """See ``Connection.get_component_candidates``."""
        sockets = [one for address in addresses if (one := await self._socket(address)) is not None]
        protocols = [one.protocol(connection, component) for one in sockets]
        connection._protocols += protocols
        own = [protocol.local_candidate for protocol in protocols]
        announced = [_host(component, address, self._port) for address in self._announced]
        others = await gather(component=component, addresses=[], **options)  # those of TURN servers
        return [*own, *announced, *await _mapped(protocols, connection), *others]

    async def _socket(self, address: str) -> _Socket | None:
        if address not in self._sockets:
            bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            try:
                bound.bind((address, self._port))
            except OSError as e:
                bound.close()
                self._taken |= e.errno == errno.EADDRINUSE
                log.info("UDP port %d of %s can't be opened: %s", self._port, address, e)
                return None
            bound.setblocking(False)
            loop = asyncio.get_running_loop()
            _, self._sockets[address] = await loop.create_datagram_endpoint(_Socket, sock=bound)
        return self._sockets[address]


async def _mapped(protocols: list[StunProtocol], connection: Connection) -> list[Candidate]:
    """Addresses that a STUN server sees, if there is one that answers at once."""
    if connection.stun_server is None:
        return []
    asking = [
        asyncio.create_task(server_reflexive_candidate(protocol, connection.stun_server))
        for protocol in protocols
        if ":" not in protocol.local_candidate.host
    ]
    done, late = await asyncio.wait(asking, timeout=1) if asking else (set(), set())
    for task in late:
        task.cancel()
    return [task.result()[0] for task in done if task.exception() is None]


def _host(component: int, address: str, port: int) -> Candidate:
    foundation, priority = candidate_foundation("host", "udp", address), candidate_priority(component, "host")
    return Candidate(foundation, component, "udp", priority, address, port, "host")


class _Socket(asyncio.DatagramProtocol):
    """The socket of one address."""

    transport: asyncio.DatagramTransport

    def __init__(self) -> None:
        self._by_name: dict[str, StunProtocol] = {}
        self._by_address: dict[Address, StunProtocol] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def protocol(self, connection: Connection, component: int) -> StunProtocol:
        """A connection's end of this socket."""
        protocol = StunProtocol(connection)
        protocol.connection_made(_Share(self, protocol))
        address, port = self.transport.get_extra_info("sockname")[:2]
        protocol.local_candidate = _host(component, address, port)
        self._by_name[connection.local_username] = protocol
        return protocol

    def leave(self, protocol: StunProtocol) -> None:
        """A connection is over."""
        self._by_name.pop(protocol.receiver.local_username, None)
        self._by_address = {address: one for address, one in self._by_address.items() if one is not protocol}

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """Hand a datagram to its peer. What strangers send leaves nothing behind."""
        owner = self._by_address.get(addr[:2])
        if is_stun(data):
            named = self._named(data)
            if named is not None and named is not owner and not proves(named, data):
                return
            owner = named or owner
        if owner is None:
            return
        self._by_address[addr[:2]] = owner
        if len(self._by_address) > MOST_ADDRESSES:
            del self._by_address[next(iter(self._by_address))]
        owner.datagram_received(data, addr)

    def _named(self, data: bytes) -> StunProtocol | None:
        """The connection that a STUN message names or answers; None for names that nobody has."""
        name = stun_name(data)
        if name is None:
            return next((one for one in self._by_name.values() if asked(one, data)), None)
        return self._by_name.get(name)


class _Share(asyncio.DatagramTransport):
    """One connection's share of a socket."""

    def __init__(self, shared: _Socket, protocol: StunProtocol) -> None:
        super().__init__()
        self._socket, self._protocol = shared, protocol

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._socket.transport.get_extra_info(name, default)

    def sendto(self, data: Any, addr: Any = None) -> None:
        if not self._socket.transport.is_closing():
            self._socket.transport.sendto(data, addr)

    def close(self) -> None:
        self._socket.leave(self._protocol)
        asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)
