"""Cameras over WebRTC: video becomes the stream's frames, and results go back on the data channel."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TypeAlias

import msgspec
from aiortc import RTCRtpTransceiver

from sightline.core.errors import IdleTimeout, ShuttingDown
from sightline.core.types import Frame, FrameResult, Image
from sightline.settings.presets import PresetName
from sightline.streams.adaptive.service import begin
from sightline.streams.hub import Hub
from sightline.streams.ingest import Ingest
from sightline.streams.publisher import DropReason, Publisher
from sightline.transports.webrtc import hooks
from sightline.transports.webrtc.decoding import PictureDecoder
from sightline.transports.webrtc.peer import WebRtcPeer
from sightline.wire import json as protocol
from sightline.wire.messages import Adapt, JsonDropped, Pong, SettingsMessage, SettingsRefused, Status
from sightline.wire.requests import Background, Ping, SettingsWish

log = logging.getLogger(__name__)


IN_BACKGROUND = 4
"""Factor of the idle timeout for a page in the background: browsers let its timers run once a minute there."""
LOST_S = 5.0
"""Seconds without a picture after which a camera gives way to another one for the same stream."""


class ClockOffset(msgspec.Struct, tag="clock", tag_field="type"):
    """Message with the offset of the server's clock from the camera's, as measured by the camera with ``ping``."""

    offset: float | None = None
    """Milliseconds to add to the camera's clock."""


Message: TypeAlias = Ping | ClockOffset | SettingsWish | Background
decode: protocol.Reader[Message] = protocol.Reader(Ping, ClockOffset, SettingsWish, Background)
"""Reads a camera's message on the data channel. Raises ProtocolError or TooLarge."""


class WebRtcPublisher(Publisher):
    """Publisher of a camera's session."""

    def __init__(
        self, hub: Hub, peer: WebRtcPeer, name: str, *, wants_results: bool, preset: PresetName | None, session: str
    ) -> None:
        """Take the stream. Raises StreamBusy or LimitReached."""
        self.session = session
        self._hub, self._peer = hub, peer
        self._loop = asyncio.get_running_loop()
        self._offered_results = wants_results
        """Whether the peer wants results once there is a data channel to send them on."""
        stream = hub.take(name, self, preset=preset)
        stream.pause("it is connecting")
        self._ingest: Ingest | None = Ingest(stream, hub.settings)
        """None once the stream is given back."""
        self._decoding = PictureDecoder(self._take, max_pixels=hub.settings.max_pixels)
        self._clock = hooks.RtpClock()
        self._offset: float | None = None
        self._seq = 0
        self._times: dict[int, tuple[int, bool]] = {}
        """RTP time of each unanswered frame, by number, and whether the camera's clock was known."""
        self._picture_at = time.monotonic()
        peer.heard, peer.opened, peer.check = self._heard, self._opened, self._check

    def attach(self, video: RTCRtpTransceiver) -> None:
        """Start decoding the received video."""
        hooks.trust_pictures(video.receiver)  # ``_check`` ends the session if none come
        queue = hooks.receive(video.receiver)
        queue.run, queue.lose = self._decoding.run, self._lose
        self._clock = queue.clock

    async def run(self) -> None:
        """Run until the peer is gone. Raises SightlineError if the server ended the session."""
        try:
            await self._peer.run()
        finally:
            self.leave()

    def leave(self) -> None:
        """Give the stream back."""
        self._decoding.close()
        if self._ingest is not None:
            self._hub.release(self._ingest.stream, self)
            self._ingest = None

    def _take(self, image: Image, at: int) -> None:
        """Publish a decoded picture. ``at`` is its RTP time."""
        if self._ingest is None:
            return
        self._picture_at = time.monotonic()
        if self.hidden:  # black: the page has switched its camera off
            return
        if self._ingest.stream.paused is not None:
            self._ingest.stream.pause(None)
        taken = self._clock.seconds(at)
        seq, self._seq = self._seq, self._seq + 1
        self._times[seq] = at & 0xFFFFFFFF, taken is not None
        self._ingest.put_image(seq, taken, self._offset, image)

    def _lose(self, reason: str, count: int) -> None:
        """Count pictures that came and could not be shown. Called on the loop and in the decoder's thread."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._left_out, reason, count)

    def _left_out(self, reason: str, count: int) -> None:
        if self._ingest is not None:
            self._ingest.stream.lose(reason, count)

    # Called by the stream

    def answer(self, result: FrameResult) -> None:
        """Send the frame's result."""
        at, known = self._times.pop(result.frame.seq, (0, False))
        if self.wants_results:
            message = protocol.result_message(result, mask_follows=True)
            message.rtp_timestamp = at
            if not known:  # with a time of the server's clock a page would find a wrong picture
                message.timestamp = 0.0
            self._peer.say(protocol.encode(message), result.mask_png)

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """Say that the frame was dropped."""
        self._times.pop(frame.seq, None)
        if self.wants_results:
            self._peer.say(protocol.encode(JsonDropped(seq=frame.seq, reason=reason)))

    def fail(self, frame: Frame, message: str) -> None:
        """Say that the frame failed."""
        self._times.pop(frame.seq, None)
        if self.wants_results:
            self._peer.say(protocol.encode(JsonDropped(seq=frame.seq, reason="failed", message=message)))

    def tell(self, status: Status) -> None:
        """Send the model's status."""
        self._peer.must_hear(protocol.encode(status))

    def ask(self, message: Adapt) -> None:
        """Ask for other pictures from now on."""
        self._peer.must_hear(protocol.encode(message))

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """Send the settings that apply to its frames from now on, or why they did not change."""
        self._peer.must_hear(protocol.encode(message))

    def lost(self) -> bool:
        """See Publisher. Over UDP a program that crashed sends nothing, and needs its stream when it starts again."""
        return not self.hidden and time.monotonic() - self._picture_at > LOST_S

    def close(self, reason: str) -> None:
        """End the session with a reason."""
        self._peer.end(ShuttingDown(reason))

    # Messages from the peer

    def _opened(self) -> None:
        """Greet the peer and enable its results, as it has opened the data channel."""
        if self._ingest is None:
            return
        stream = self._ingest.stream
        self.wants_results = self._offered_results
        self._peer.must_hear(protocol.encode(begin(stream, self._hub.settings)))
        self.tell(stream.model.status)

    def _heard(self, text: str) -> None:
        message = decode(text)
        if self.hidden:  # which sends no pictures
            self._picture_at = time.monotonic()
        if isinstance(message, Ping):
            self._peer.must_hear(protocol.encode(Pong(message.timestamp, time.time() * 1000)))
        elif isinstance(message, SettingsWish):
            if self._ingest is not None:
                self._hub.wish(self._ingest.stream, self, message.given())
        elif isinstance(message, Background):
            if self._ingest is not None:
                self._picture_at = time.monotonic()
                self._ingest.stream.hide(self, message.on)
        elif message.offset is not None:
            self._offset = message.offset / 1000

    def _check(self) -> None:
        limit = self._hub.settings.idle_timeout * (IN_BACKGROUND if self.hidden else 1)
        if time.monotonic() - self._picture_at > limit:
            raise IdleTimeout(f"no picture came for {limit:g} s: expected video")
