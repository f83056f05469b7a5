"""What strangers send to the UDP ports of WebRTC peers costs next to nothing, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio
from aioice import stun
from aioice.candidate import Candidate
from aioice.ice import Connection, StunProtocol
from hypothesis import given
from hypothesis import strategies as st

from sightline.transports.webrtc import strangers
from sightline.transports.webrtc.udp_port import MOST_ADDRESSES, _Socket

FLOOD = 20_000
HOME, AWAY = ("192.0.2.1", 1000), ("198.51.100.7", 9)


def request(name: str, password: str = "", *, more: bytes = b"") -> bytes:
    """A STUN request for whoever has this name, with proof where there is a password."""
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{name}:peer"
    message.attributes["PRIORITY"] = 1
    if password:
        message.add_message_integrity(password.encode())
    data = bytes(message)
    return data[:2] + struct.pack("!H", len(data) - 20 + len(more)) + data[4:] + more


class Heard(StunProtocol):
    """A peer's end of the port, which counts what it gets."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.heard: Counter[tuple[str, int]] = Counter()

    def datagram_received(self, data: bytes | str, addr: tuple[object, ...]) -> None:
        self.heard[str(addr[0]), int(str(addr[1]))] += 1


def own_port(connection: Connection) -> StunProtocol:
    """A port that a peer has for itself."""
    protocol = StunProtocol(connection)
    protocol.local_candidate = Candidate.from_sdp("1 1 udp 1 192.0.2.9 1 typ host")
    protocol.transport = Mute()
    return protocol


class Mute(asyncio.DatagramTransport):
    """A socket by which nothing leaves."""

    def sendto(self, data: object, addr: object = None) -> None:
        """Send nothing."""


@pytest_asyncio.fixture
async def connection() -> AsyncGenerator[Connection]:
    yield Connection(ice_controlling=False)


@pytest.fixture
def port(connection: Connection) -> tuple[_Socket, Heard]:
    """The shared port with one peer."""
    shared, peer = _Socket(), Heard(connection)
    shared._by_name[connection.local_username] = peer
    return shared, peer


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of the messages that were read in full."""
    lengths: list[int] = []
    parse = stun.parse_message

    def counting(data: bytes) -> stun.Message:
        lengths.append(len(data))
        return parse(data)

    monkeypatch.setattr(stun, "parse_message", counting)
    return lengths


async def test_a_flood_of_strangers_is_read_by_nobody_and_remembered_nowhere(
    port: tuple[_Socket, Heard], parsed: list[int]
) -> None:
    shared, peer = port
    answer = bytes(stun.Message(stun.Method.BINDING, stun.Class.RESPONSE))
    many = b"".join(struct.pack("!HH", 0x8022, 0) for _ in range(300))
    junk = [b"", b"\0", bytes(1400), b"\x80" * 200, b"\x16\xfe\xfd" + bytes(100), answer, request("nobody")]
    junk += [request("x" * 500), request("nobody", more=many), request("nobody")[:20] + many + many]
    for number in range(FLOOD):
        source = f"203.0.{number >> 8 & 255}.{number & 255}", 1024 + number % 60000
        shared.datagram_received(junk[number % len(junk)], source)
    assert (len(parsed), len(shared._by_address), peer.heard.total()) == (0, 0, 0)


async def test_who_knows_a_name_alone_takes_no_address_away(
    port: tuple[_Socket, Heard], connection: Connection
) -> None:
    shared, peer = port
    name, secret = connection.local_username, connection.local_password
    shared.datagram_received(request(name, secret), HOME)
    shared.datagram_received(b"\x80media", HOME)
    for number in range(2 * MOST_ADDRESSES):
        shared.datagram_received(request(name, "a guess"), ("203.0.113.1", number))
    shared.datagram_received(b"\x80media", HOME)
    assert peer.heard == {HOME: 3}
    assert list(shared._by_address) == [HOME]


async def test_a_peers_own_port_takes_data_from_the_peer_alone(connection: Connection) -> None:
    """Without a shared port too: a flood of strangers would otherwise count as the peer's and end its session."""
    strangers.keep_out()
    protocol = own_port(connection)
    protocol.datagram_received(b"\x80stranger", AWAY)
    protocol.datagram_received(request(connection.local_username, "a guess"), AWAY)
    protocol.datagram_received(b"\x80stranger", AWAY)
    assert connection._queue.empty()
    known = request(connection.local_username, connection.local_password)
    assert strangers.proves(protocol, known)
    protocol.__dict__["known_addresses"] = {HOME}  # as after such a request
    protocol.datagram_received(b"\x80media", HOME)
    assert connection._queue.get_nowait() == (b"\x80media", 1)


@given(data=st.data())
def test_whatever_a_datagram_is_nothing_is_raised(data: st.DataObject) -> None:
    """aioice raises for an attribute of a wrong length, and asyncio writes a traceback for each such datagram."""

    async def run() -> None:
        strangers.keep_out()
        connection = Connection(ice_controlling=False)
        protocol = own_port(connection)
        protocol.__dict__["known_addresses"] = {HOME}
        kinds = st.sampled_from([0x0006, 0x0008, 0x0009, 0x0020, 0x0024, 0x8028, 0x8029, 0x802A, 0x7777])
        attributes = data.draw(st.lists(st.tuples(kinds, st.binary(max_size=24)), max_size=20))
        body = b"".join(struct.pack("!HH", k, len(v)) + v + bytes(-len(v) % 4) for k, v in attributes)
        kind = data.draw(st.sampled_from([0x0001, 0x0101, 0x0111, 0x0011, 0x0003]))
        whole = struct.pack("!HHI", kind, len(body), 0x2112A442) + bytes(12) + body
        cut = whole[: data.draw(st.integers(0, len(whole)))]
        shared = _Socket()
        shared._by_name[connection.local_username] = protocol
        for datagram in (whole, cut):
            shared.datagram_received(datagram, AWAY)
            protocol.datagram_received(datagram, AWAY)
            protocol.datagram_received(datagram, HOME)

    asyncio.run(run())
