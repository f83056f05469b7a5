"""All uses of aiortc's private parts. ``check`` raises if a version lacks them.

- Receiving: aiortc keeps every encoded picture until its thread has decoded it, and completes a picture only when the
  next one begins, 33 ms later. Here the thread runs our own loop over a bounded queue, and a picture is complete with
  its last packet.
- Limits: packets and SCTP chunks are counted before they are handled. An unfinished message costs aiortc work for all
  its parts with each further one, so that 60,000 parts of a byte would keep it busy for hours.
- Sending: packets are encoded once for all viewers, and viewers' requests for a keyframe reach the shared encoder.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import aiortc
from aioice.ice import Connection
from aiortc import RTCPeerConnection, rtp
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtcrtpsender import RTCEncodedFrame, RTCRtpSender
from aiortc.rtcsctptransport import Chunk, DataChunk, RTCSctpTransport
from aiortc.rtp import RtcpSrPacket

from sightline.core.errors import ConfigError

# aiortc answers numbers below 96 with one of its own. Those that it must not take (64 to 95) look like RTCP's.
rtp.DYNAMIC_PAYLOAD_TYPES = frozenset({*range(64), *range(96, 128)})  # type: ignore[assignment]

WAITING = 8
"""Maximum number of encoded pictures waiting for the decoder."""
NTP = 2208988800
"""Seconds from 1900 to 1970."""
_QUEUE, _BUFFER = "_RTCRtpReceiver__decoder_queue", "_RTCRtpReceiver__jitter_buffer"
_BROKEN, _TIMES = "_RTCRtpReceiver__decoder_error", "_RTCRtpReceiver__timestamp_mapper"
_RTP = "_RTCRtpSender__rtp_timestamp"


def check(receiver: RTCRtpReceiver, sender: RTCRtpSender) -> None:
    """Raise ConfigError if this version of aiortc lacks a private part that is used here."""
    lacks = [name for name in (_QUEUE, _BUFFER, _BROKEN, _TIMES, "_handle_rtcp_packet") if not hasattr(receiver, name)]
    lacks += [
        n for n in (_RTP, "_next_encoded_frame", "_send_keyframe", "_handle_rtcp_packet") if not hasattr(sender, n)
    ]
    if lacks:
        raise ConfigError(f"aiortc {aiortc.__version__} lacks {', '.join(lacks)}: expected version 1.16")


def hurry(receiver: RTCRtpReceiver, seconds: int) -> None:
    """Limit the wait for STUN and TURN servers to ``seconds``; aioice waits 5 s for a dead one."""
    connection = receiver.transport.transport.iceGatherer._connection
    gather = connection.get_component_candidates
    connection.get_component_candidates = partial(gather, timeout=seconds)  # type: ignore[method-assign]


def ice_connections(connection: RTCPeerConnection) -> list[Connection]:
    """The ICE connections of a peer, each once: one, where its media are bundled."""
    transports = [transceiver.receiver.transport for transceiver in connection.getTransceivers()]
    if connection.sctp is not None:
        transports.append(connection.sctp.transport)
    return list({id(found): found for one in transports for found in [one.transport.iceGatherer._connection]}.values())


def trust_pictures(receiver: RTCRtpReceiver) -> None:
    """Turn off aioice's consent checks, so that only pictures are the peer's sign of life.

    aioice ends a connection whose peer leaves six requests for consent unanswered. FFmpeg's WHIP muxer never answers
    them, so each of its streams would end after half a minute.
    """

    async def for_ever() -> None:
        await asyncio.Event().wait()

    receiver.transport.transport.iceGatherer._connection.query_consent = for_ever  # type: ignore[method-assign]


# Limits


def count_packets(receiver: RTCRtpReceiver, may_go_on: Callable[[], bool]) -> None:
    """Have ``may_go_on`` called for each packet of the peer; False ends the connection. Empty packets are left out."""
    ice = receiver.transport.transport
    receive_packet = ice._recv

    async def counted() -> bytes:
        while True:
            data = await receive_packet()
            if not may_go_on():
                raise ConnectionError
            if data:
                return data

    ice._recv = counted


def count_chunks(sctp: RTCSctpTransport, may_go_on: Callable[[int], bool]) -> None:
    """Have ``may_go_on`` called for each chunk, with the parts that wait where it goes. False leaves the chunk out.

    The number counts streams that are in use as well, so that one limit holds for both.
    """
    handle = sctp._receive_chunk

    async def counted(chunk: Chunk) -> None:
        waiting = 0
        if isinstance(chunk, DataChunk):
            stream = sctp._inbound_streams.get(chunk.stream_id)
            waiting = len(sctp._inbound_streams) if stream is None else len(stream.reassembly)
        if may_go_on(waiting):
            await handle(chunk)

    sctp._receive_chunk = counted  # type: ignore[method-assign]


# Receiving


class PromptBuffer(JitterBuffer):
    """Jitter buffer in which a picture is complete with its last packet, which carries the marker."""

    def __init__(self) -> None:
        super().__init__(capacity=512, is_video=True)

    def _remove_frame(self, sequence_number: int) -> JitterFrame | None:
        return self.next() or super()._remove_frame(sequence_number)

    def next(self) -> JitterFrame | None:
        """Remove and return the next picture; None if it is not complete."""
        if self._origin is None:
            return None
        packets: list[Any] = []
        for _ in range(self._capacity):
            packet: Any = self._packets[(self._origin + len(packets)) % self._capacity]
            if packet is None or (packets and packet.timestamp != packets[0].timestamp):
                return None
            if not packet._data and not packets:  # padding after the previous picture
                self.remove(1)
                continue
            packets.append(packet)
            if packet.marker:
                self.remove(len(packets))
                return JitterFrame(b"".join(p._data for p in packets), packets[0].timestamp)
        return None


class RtpClock:
    """Unwraps 32-bit RTP times, and converts them to the sender's clock once its report has come."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._report: tuple[int, float] | None = None

    def map(self, timestamp: int) -> int:
        """Unwrap an RTP time: the result's last 32 bits are that time."""
        last = self._last
        if last is not None:
            step = (timestamp - last) & 0xFFFFFFFF
            timestamp = last + (step if step < 1 << 31 else step - (1 << 32))
        self._last = timestamp
        return timestamp

    def report(self, timestamp: int, ntp: int) -> None:
        """Note the sender's NTP time (64 bits) of an RTP time, as its report says."""
        if ntp:
            self._report = timestamp, (ntp >> 32) - NTP + (ntp & 0xFFFFFFFF) / (1 << 32)

    def seconds(self, timestamp: int) -> float | None:
        """Seconds since 1970 on the sender's clock; None while that is unknown."""
        if self._report is None:
            return None
        at, moment = self._report
        step = (timestamp - at) & 0xFFFFFFFF
        return moment + (step if step < 1 << 31 else step - (1 << 32)) / 90000


class EncodedQueue:
    """Encoded pictures on their way to the decoder's thread, in which ``run`` is called.

    If too many wait, all are given up, and the sender is asked for a keyframe, which is the next picture that counts.
    """

    def __init__(self, receiver: RTCRtpReceiver, buffer: PromptBuffer, clock: RtpClock) -> None:
        self.given_up = 0
        """Number of pictures that were never decoded."""
        self.lose: Callable[[str, int], None] = lambda reason, count: None
        """Called for pictures that are given up, on the loop, and for those that can't be decoded, in the thread."""
        self.clock = clock
        self.run: Callable[[EncodedQueue], None] = lambda _: None
        self._buffer = buffer
        self._broken: threading.Event = getattr(receiver, _BROKEN)
        self._items: deque[tuple[str, bytes, int]] = deque()
        self._change = threading.Condition()
        self._closed = False
        self._needs_key = False

    # On the loop, by aiortc

    def put(self, item: tuple[Any, JitterFrame] | None) -> None:
        """Add a picture; None ends the queue."""
        with self._change:
            if item is None:
                self._closed = True
                self._items.clear()
            else:
                codec, frame = item
                self._add(codec.name, frame.data, frame.timestamp)
                while (more := self._buffer.next()) is not None:  # a late packet may complete several pictures
                    self._add(codec.name, more.data, self.clock.map(more.timestamp))
            self._change.notify()

    def _add(self, codec: str, data: bytes, timestamp: int) -> None:
        key = is_key(codec, data)
        if len(self._items) >= WAITING:
            self._give_up(len(self._items))
            self._items.clear()
            self._needs_key = True
        if self._needs_key and not key:
            self._give_up(1)
            self._broken.set()
            return
        self._needs_key = False
        self._items.append((codec, data, timestamp))

    def _give_up(self, count: int) -> None:
        self.given_up += count
        self.lose("late", count)

    def get(self) -> None:
        """Run the decoder. aiortc's decoder thread calls this and ends when it returns."""
        self.run(self)

    # In the thread

    def next(self) -> tuple[str, bytes, int] | None:
        """Wait for the next picture. Returns its codec, data and RTP time; None at the end."""
        with self._change:
            self._change.wait_for(lambda: self._closed or self._items)
            return None if self._closed else self._items.popleft()

    def failed(self) -> None:
        """Note that a picture could not be decoded. With the next packet the sender is asked for a keyframe."""
        with self._change:
            self._needs_key = True
        self._broken.set()


def is_key(codec: str, data: bytes) -> bool:
    """True for a picture that can be decoded without earlier ones."""
    if codec.upper() == "VP8":
        return bool(data) and not data[0] & 1
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        if data[at + 3] & 0x1F in (5, 7):
            return True
        at = data.find(b"\0\0\1", at + 3)
    return False


def receive(receiver: RTCRtpReceiver) -> EncodedQueue:
    """Take over a receiver before it starts. Set the queue's ``run`` at once."""
    clock, buffer = RtpClock(), PromptBuffer()
    queue = EncodedQueue(receiver, buffer, clock)
    setattr(receiver, _BUFFER, buffer)
    setattr(receiver, _TIMES, clock)
    setattr(receiver, _QUEUE, queue)
    handle = receiver._handle_rtcp_packet

    async def hear(packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            clock.report(packet.sender_info.rtp_timestamp, packet.sender_info.ntp_timestamp)
        await handle(packet)

    receiver._handle_rtcp_packet = hear  # type: ignore[method-assign]
    return queue


# Sending


def feed(
    sender: RTCRtpSender, take: Callable[[str], Awaitable[tuple[list[bytes], int]]], want_key: Callable[[], None]
) -> None:
    """Make a sender send the results of ``take(codec)``: RTP payloads and their time in 1/90000 s, with any origin.

    ``want_key`` is called when the viewer asks for a keyframe.
    """

    async def next_encoded_frame(codec: Any) -> RTCEncodedFrame:
        payloads, timestamp = await take(codec.name)
        return RTCEncodedFrame(payloads, timestamp, None)  # type: ignore[arg-type]

    sender._next_encoded_frame = next_encoded_frame  # type: ignore[method-assign]
    sender._send_keyframe = want_key  # type: ignore[method-assign]


def last_rtp(sender: RTCRtpSender) -> int:
    """RTP time of the last packet that was sent."""
    value: int = getattr(sender, _RTP)
    return value
