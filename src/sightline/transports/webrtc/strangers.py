"""Datagrams of strangers to the ports of peers: each costs a look at its header, and goes no further.

aioice reads everything that comes to a peer's port, takes what is no STUN for the peer's data, and lets an exception
out for attributes of a wrong length. Here an address counts as the peer's once a message from it has proved that it
knows the session's secret, and nothing else is handed on.
"""

from __future__ import annotations

import struct
from typing import Any

from aioice import stun
from aioice.ice import StunProtocol

HEADER, COOKIE = 20, b"\x21\x12\xa4\x42"
"""Bytes of a STUN message's header, and what it has in its middle."""
RESPONSE, USERNAME = 0x0100, 0x0006
"""The bit of a STUN response's type, and the kind of attribute that names whom a request is for."""
MOST_ATTRIBUTES = 16
"""Attributes of a message that are looked at. Requests have about six, and browsers begin with the name."""
MOST_ADDRESSES = 64
"""Addresses of one peer. It has a few; with more it begins anew."""
Address = tuple[Any, ...]

_receive = StunProtocol.datagram_received


def is_stun(data: bytes) -> bool:
    """Return True for what has the header of a STUN message. All other data of peers begins differently."""
    return len(data) >= HEADER and data[0] <= 3 and data[4:8] == COOKIE


def stun_name(data: bytes) -> str | None:
    """Return the name of whom a STUN request is for; empty where it names nobody, None for a response."""
    if int.from_bytes(data[:2], "big") & RESPONSE:
        return None
    at = HEADER
    for _ in range(MOST_ATTRIBUTES):
        kind, length = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
        if at + 4 + length > len(data):
            break
        if kind == USERNAME:
            return data[at + 4 : at + 4 + length].partition(b":")[0].decode(errors="replace")
        at += 4 + length + -length % 4
    return ""


def asked(protocol: StunProtocol, data: bytes) -> bool:
    """Return True if a STUN response answers what this protocol has asked."""
    return data[8:HEADER] in protocol.transactions


def proves(protocol: StunProtocol, data: bytes) -> bool:
    """Return True if a STUN message can only be from the protocol's peer, or from a server that it has asked."""
    name = stun_name(data)
    if name is None:
        return asked(protocol, data)
    if name != protocol.receiver.local_username:
        return False
    try:
        return bool(stun.parse_message(data).check_message_integrity(protocol.receiver.local_password.encode()))
    except (ValueError, struct.error):
        return False


def _receive_of_peer(protocol: StunProtocol, data: bytes | str, addr: Address) -> None:
    """Handle a datagram if it is the peer's."""
    known: set[Address] = protocol.__dict__.setdefault("known_addresses", set())
    if isinstance(data, str) or (addr[:2] not in known and not (is_stun(data) and proves(protocol, data))):
        return
    if len(known) >= MOST_ADDRESSES:
        known.clear()
    known.add(addr[:2])
    try:
        _receive(protocol, data, addr)
    except struct.error:  # the peer itself sends what can't be read
        return


def keep_out() -> None:
    """Have aioice handle what comes from peers alone. A second call changes nothing."""
    StunProtocol.datagram_received = _receive_of_peer  # type: ignore[method-assign, assignment]
