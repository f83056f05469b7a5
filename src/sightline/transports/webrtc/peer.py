"""One WebRTC peer: its offer, its connection and its data channel, each within limits."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpSender,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.sdp import candidate_from_sdp

from sightline.core.errors import (
    FAULTS,
    BadRequest,
    IdleTimeout,
    LimitReached,
    OwnFault,
    ProtocolError,
    SightlineError,
    TooLarge,
)
from sightline.core.metrics import TokenBucket
from sightline.settings.settings import Settings
from sightline.transports.webrtc import h264, hooks
from sightline.transports.webrtc.udp_port import UdpPort
from sightline.wire import json as protocol
from sightline.wire.requests import MAX_MESSAGES

log = logging.getLogger(__name__)

CONNECT_S = 10.0
"""Maximum time in seconds for a peer to connect."""
GATHER_S = 1
"""Maximum time in seconds to wait for STUN and TURN servers."""
CLOSE_S = 5.0
"""Maximum time in seconds for closing."""
WATCH_S = 0.5
FAREWELL_S = 0.1
CHANNEL = "sightline"
"""Name of the data channel."""
MAX_MEDIA = 4
MAX_CANDIDATES = 32
UNSENT = 256 * 1024
"""Maximum number of bytes waiting for a peer that doesn't read; above it, messages are left out."""
MAX_WAITING = 256
"""Parts of messages, and streams in use, that a data channel may have. Ours has one stream; messages have 4 parts."""
MAX_CHUNKS = 4000
"""SCTP chunks that a peer may send a second."""
SPARE_PACKETS = 1000
"""Packets that a peer may send a second besides one for each kbit/s that a camera may send. They have 1,200 bytes, so
that a camera sends a tenth."""
UNREAD = 64 * 1024
"""Maximum size in bytes of an incomplete message. Valid messages have at most 4 KB."""
RECEIVE_WINDOW = 1024 * 1024
"""aiortc's receive window in bytes, from which the bytes that it holds are computed."""


_DIRECTION = re.compile(r"(?m)^a=(sendrecv|sendonly|recvonly|inactive)\s*$")
_RTCP_LIKE = re.compile(r"a=rtpmap:(6[4-9]|[78]\d|9[0-5]) ")
"""Codecs whose packets can't be told from RTCP (RFC 5761), by their payload type."""


def clean(offer: str) -> str:
    """Remove useless lines from an offer: mDNS and TCP candidates, and the end of candidates.

    Resolving an mDNS name takes a second, while the peer's own checks reveal its address at once. Raises BadRequest for
    an offer that can't be accepted.
    """
    kept: list[str] = []
    bundled: list[str] = []
    mids: dict[int, str] = {}
    media = candidates = 0
    for line in offer.splitlines():
        if line.startswith("m="):
            media += 1
        elif line.startswith("a=group:BUNDLE") and not bundled:
            bundled = line.split()[1:]
        elif line.startswith("a=mid:") and media:
            mids[media] = line[len("a=mid:") :]
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MAX_CANDIDATES or not usable(line[2:]):
                continue
        elif line.startswith("a=end-of-candidates"):
            continue
        elif number := _RTCP_LIKE.match(line):
            raise BadRequest(f"payload type {number[1]}, which looks like RTCP's: expected 0 to 63 or 96 to 127")
        kept.append(line)
    if not kept or not kept[0].startswith("v=0"):
        raise BadRequest("the body is no SDP: expected an offer that begins with v=0")
    if media > MAX_MEDIA:
        raise BadRequest(f"an offer of {media} media: expected at most {MAX_MEDIA}")
    if not any(line.startswith("m=video") for line in kept):
        raise BadRequest("the offer has no video: expected one m=video")
    if len(set(mids.values())) < len(mids):
        raise BadRequest("two media have the same mid: expected each its own")
    if bundled and bundled[0] not in mids.values():  # its transport carries all
        raise BadRequest(f"a bundle that begins with {bundled[0][:20]!r}: expected the mid of one of the offer's media")
    return _directed("\r\n".join(kept) + "\r\n")


def _directed(offer: str) -> str:
    """Say of each medium what holds where an offer says nothing (RFC 8866)."""
    head, *media = re.split(r"(?m)^(?=m=)", offer)
    general = _DIRECTION.search(head)
    direction = "sendrecv" if general is None else general[1]
    return head + "".join(one if _DIRECTION.search(one) else f"{one}a={direction}\r\n" for one in media)


def _check_direction(offer: str, ours: str) -> None:
    """Raise BadRequest for a video that does not go our way, as where a camera comes by the viewers' address."""
    given = _DIRECTION.findall(offer, offer.index("\r\nm=video"))[0]
    expected, other = (
        ("sendonly", "/whep is for viewers") if ours == "recvonly" else ("recvonly", "/whip is for cameras")
    )
    if given not in ("sendrecv", expected):
        raise BadRequest(f"the offer's video is {given}: expected {expected}; {other}")


def usable(candidate: str) -> bool:
    """True for a candidate over UDP with a plain address."""
    parts = candidate.split()
    if len(parts) < 8 or parts[2].lower() != "udp":
        return False
    try:
        return not ipaddress.ip_address(parts[4]).is_multicast
    except ValueError:
        return False


class WebRtcPeer:
    """A peer's connection. ``run`` lasts as long as it does, and raises the reason if the server ended it."""

    def __init__(self, settings: Settings, port: UdpPort | None = None) -> None:
        """``port``: shared with all other peers; without it the peer has sockets of its own."""
        self._port = port
        self._h264: h264.Offered = {}
        servers = [
            RTCIceServer(
                list(server.urls),
                server.username,
                None if server.credential is None else server.credential.get_secret_value(),
            )
            for server in settings.webrtc_ice_servers
        ]
        # The list may be empty but not None, with which aiortc would use a public STUN server and wait seconds for it.
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self.connected = asyncio.Event()
        self.heard: Callable[[str], None] = lambda _: None
        """Callback for every text message of the peer. May raise SightlineError."""
        self.opened: Callable[[], None] = lambda: None
        """Callback for when the data channel opens."""
        self.check: Callable[[], None] = lambda: None
        """Callback that runs twice a second. May raise SightlineError."""
        self.unsent = 0
        """Number of messages left out because the peer didn't read."""
        self._packets = TokenBucket(SPARE_PACKETS + settings.webrtc_receive_kbps, burst_s=1.0)
        self._chunks = TokenBucket(MAX_CHUNKS, burst_s=1.0)
        self._messages = TokenBucket(MAX_MESSAGES, burst_s=1.0)
        self._channel: RTCDataChannel | None = None
        self._changed = asyncio.Event()
        self._error: SightlineError | None = None
        self._ended = False
        self.connection.on("connectionstatechange", self._state)
        self.connection.on("datachannel", self._on_channel)

    # Beginning

    async def offered(self, offer: str, direction: str) -> RTCRtpTransceiver:
        """Accept an offer. Returns its video, which the server has ``recvonly`` or ``sendonly``. Raises BadRequest."""
        offer = clean(offer)
        _check_direction(offer, direction)
        offer, self._h264 = h264.widened(offer, sends=direction == "recvonly")
        video = self.connection.addTransceiver("video", direction)
        hooks.check(video.receiver, video.sender)
        known = RTCRtpSender.getCapabilities("video").codecs
        video.setCodecPreferences(sorted(known, key=lambda codec: codec.name != "H264"))
        try:
            await self.connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except OperationError:
            raise BadRequest(
                "no codec in common: expected VP8 or H.264 in packetization-mode 0 or 1 (of a viewer: 1)"
            ) from None
        except Exception as e:  # noqa: BLE001 - aiortc raises all kinds of errors for an offer it can't parse
            raise BadRequest(f"an offer that can't be taken: {type(e).__name__}: {e}"[:300]) from None
        hooks.hurry(video.receiver, GATHER_S)  # after the offer, as the transport may now be another medium's
        if self._port is not None:
            for connection in hooks.ice_connections(self.connection):
                self._port.share(connection)
        hooks.count_packets(video.receiver, lambda: self._kept(self._packets.take(), "more packets than it may send"))
        if self.connection.sctp is not None:
            hooks.count_chunks(self.connection.sctp, self._takes_chunk)
        for transceiver in self.connection.getTransceivers():
            if transceiver is not video:
                transceiver.direction = "inactive"
        return video

    async def answer(self) -> str:
        """Make the answer to the offer, with all candidates. Raises BadRequest."""
        try:
            await self.connection.setLocalDescription(await self.connection.createAnswer())
        except Exception as e:  # noqa: BLE001 - as above: some offers only show here that they make no sense
            raise BadRequest(f"an offer that can't be answered: {type(e).__name__}: {e}"[:300]) from None
        return h264.restored(str(self.connection.localDescription.sdp), self._h264)

    async def add_candidates(self, fragment: str) -> None:
        """Add ICE candidates of the peer (RFC 8840), without unusable ones. Raises BadRequest."""
        lines = [line[2:] for line in fragment.splitlines() if line.startswith("a=candidate:")]
        for line in lines[:MAX_CANDIDATES]:
            if usable(line):
                try:
                    candidate = candidate_from_sdp(line.removeprefix("candidate:"))
                except (ValueError, AssertionError, IndexError) as e:
                    raise BadRequest(f"candidate {line[:80]!r}: {e}") from None
                candidate.sdpMLineIndex = 0
                with suppress(ValueError):  # the connection is complete and needs no more
                    await self.connection.addIceCandidate(candidate)

    # Running

    async def run(self) -> None:
        """Run until the connection is gone. Raises SightlineError if the server ended it."""
        try:
            try:
                async with asyncio.timeout(CONNECT_S):
                    while not self._over() and not self.connected.is_set():
                        await self._change()
            except TimeoutError:
                raise IdleTimeout(f"no connection came about within {CONNECT_S:g} s: is UDP blocked?") from None
            while not self._over():
                with suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_S):
                        await self._change()
                if not self._ended:
                    self._guarded(self._check)
            if self._error is not None:
                await self._farewell(self._error)
                raise self._error
        finally:
            await self.close()

    def end(self, error: SightlineError | None = None) -> None:
        """End the connection, from anywhere on the loop, with or without a reason."""
        if not self._ended:
            self._ended = True
            self._error = error
        self._changed.set()

    def _check(self) -> None:
        self._check_unread()
        self.check()

    def _over(self) -> bool:
        return self._ended or self.connection.connectionState in ("failed", "closed")

    async def _change(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def close(self) -> None:
        """Close the connection. A second call does nothing."""
        closing = asyncio.create_task(self.connection.close())
        _, late = await asyncio.wait([closing], timeout=CLOSE_S)
        if late:
            log.warning("a WebRTC connection did not close within %g s", CLOSE_S)
            closing.cancel()
        elif not closing.cancelled() and (error := closing.exception()) is not None:
            log.warning("a WebRTC connection closed with %s: %s", type(error).__name__, error)

    async def _farewell(self, error: SightlineError) -> None:
        """Tell the peer the reason and give it FAREWELL_S to read that."""
        if self.say(protocol.error_message(error)):
            await asyncio.sleep(FAREWELL_S)

    def _state(self) -> None:
        if self.connection.connectionState == "connected":
            self.connected.set()
        self._changed.set()

    # The data channel

    def _on_channel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            self.end(ProtocolError(f"data channel {channel.label[:40]!r}: expected one, {CHANNEL!r}"))
            return
        self._channel = channel
        channel.on("message", self._on_message)
        self._guarded(self.opened)

    def _on_message(self, data: Any) -> None:
        if not self._ended:
            self._guarded(lambda: self._hear(data))

    def _takes_chunk(self, waiting: int) -> bool:
        few = self._kept(waiting < MAX_WAITING, f"more than {MAX_WAITING} parts of messages")
        return few and self._kept(self._chunks.take(), f"more than {MAX_CHUNKS} chunks a second")

    def _kept(self, kept: bool, excess: str) -> bool:
        """Return whether a limit is kept; end the peer where it is not."""
        if not kept:
            self.end(LimitReached(f"{excess}: expected fewer"))
        return kept

    def _hear(self, data: Any) -> None:
        if not self._messages.take():
            raise LimitReached(f"more than {MAX_MESSAGES} messages a second: expected fewer")
        if not isinstance(data, str):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text")
        self.heard(data)

    def _guarded(self, work: Callable[[], None]) -> None:
        """Run a handler. An error ends this peer and does not reach aiortc's loop."""
        try:
            work()
        except SightlineError as e:
            self.end(e)
        except FAULTS:
            log.exception("a message of a WebRTC peer could not be handled")
            self.end(OwnFault())

    def _check_unread(self) -> None:
        """Raise TooLarge if a message grows too large, as aiortc keeps all its parts until it is complete."""
        sctp = self.connection.sctp
        held = 0 if sctp is None else RECEIVE_WINDOW - getattr(sctp, "_advertised_rwnd", RECEIVE_WINDOW)
        if held > UNREAD:
            raise TooLarge(f"{held} bytes of one message: expected at most {UNREAD}")

    @property
    def talks(self) -> bool:
        """True if the data channel is open."""
        return self._channel is not None and self._channel.readyState == "open"

    def say(self, text: str, data: bytes | None = None) -> bool:
        """Send a message, and a binary one after it. Returns False if the peer doesn't read or is gone."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        if channel.bufferedAmount > UNSENT:
            self.unsent += 1
            return False
        try:
            channel.send(text)
            if data is not None:
                channel.send(data)
        except ValueError as e:  # longer than the a=max-message-size of the peer's own offer
            self.end(LimitReached(f"a message could not be sent ({e}): expected a peer that takes longer ones"))
            return False
        return True

    def must_hear(self, text: str) -> None:
        """Send a message that may not be left out. A peer that does not read is ended."""
        if self.talks and not self.say(text):
            self.end(LimitReached(f"{UNSENT} bytes wait: expected a peer that reads them"))
