"""Questions to everybody in this network, by UDP. Answers are read for as long as it was said, and not longer."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress

import ifaddr

from sightline.core.net import is_loopback

log = logging.getLogger(__name__)

MOST_BYTES = 16_384
"""Of an answer. A datagram may have four times as many."""
MOST_ANSWERS = 2_000
"""Read in one search."""
AGAIN_S = 0.4
"""Seconds after which a question is asked again, as datagrams get lost."""
Answered = Callable[[bytes, str], None]
"""Told of each answer: what came, and the address that it came from."""


async def ask(question: bytes, group: tuple[str, int], seconds: float, answered: Answered) -> None:
    """Ask a multicast group in all networks of this machine, or one machine alone. IPv4 only."""
    loop = asyncio.get_running_loop()
    transports: list[asyncio.DatagramTransport] = []
    try:
        for sock in await asyncio.to_thread(_sockets, group[0]):
            transport, _ = await loop.create_datagram_endpoint(lambda: _Listening(answered), sock=sock)
            transports.append(transport)
        for pause in (AGAIN_S, max(0.0, seconds - AGAIN_S)):
            for transport in transports:
                transport.sendto(question, group)
            await asyncio.sleep(pause)
    finally:
        for transport in transports:
            transport.close()


class _Listening(asyncio.DatagramProtocol):
    def __init__(self, answered: Answered) -> None:
        self._answered = answered
        self._count = 0

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self._count += 1
        if self._count <= MOST_ANSWERS and len(data) <= MOST_BYTES:
            self._answered(data, str(addr[0]))

    def error_received(self, exc: Exception) -> None:
        log.debug("a network can't be asked for cameras: %s", exc)


def _sockets(group: str) -> Sequence[socket.socket]:
    """Return one for each network that this machine is in."""
    if is_loopback(group):
        return [_socket("127.0.0.1")]
    found = {str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4}
    made = []
    for address in sorted(ip for ip in found if not is_loopback(ip))[:16]:
        with suppress(OSError):  # a network that has gone, or takes no such questions
            made.append(_socket(address))
    return made


def _socket(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        made.bind((address, 0))
    except BaseException:
        made.close()
        raise
    return made
