"""A viewer over WebRTC: video of a stream, and on the data channel the results, each with its picture's RTP time."""

from __future__ import annotations

import time

from aiortc import RTCRtpTransceiver, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

from sightline.core.errors import ShuttingDown, StreamEnded
from sightline.core.types import Result
from sightline.streams.hub import Hub
from sightline.streams.ingest import EPOCH
from sightline.streams.publisher import Subscription
from sightline.streams.rendering import Look
from sightline.transports.webrtc import hooks
from sightline.transports.webrtc.encoding import Encoder, Encoders, Picture
from sightline.transports.webrtc.peer import Peer
from sightline.wire import json as protocol
from sightline.wire.json import PerformanceStats, Ping, Pong, Status


class Watching:
    """A viewer's session."""

    def __init__(
        self, hub: Hub, peer: Peer, encoders: Encoders, name: str, look: Look | None, subscription: Subscription
    ) -> None:
        """``look``: how to draw into the video, or None for who draws by himself."""
        self._hub, self._peer, self._encoders, self._subscription = hub, peer, encoders, subscription
        self._name, self._look = name, look
        self._encoder: Encoder | None = None
        self._codec = ""
        self._last = 0
        """Number of the picture sent last: the next one builds on it."""
        self._unsaid: Result | None = None
        """Of the picture that is being sent: it is told with the RTP time once that is known."""
        peer.heard, peer.opened = self._heard, self._opened

    def attach(self, video: RTCRtpTransceiver) -> None:
        """Send what the stream has."""
        self._sender = video.sender
        video.sender.replaceTrack(VideoStreamTrack())  # aiortc wants one; it is never read
        hooks.feed(video.sender, self._next, self._want_key)

    async def run(self) -> None:
        """Until the peer is gone. Raises SightlineError for a reason of ours."""
        try:
            await self._peer.run()
        finally:
            if self._encoder is not None:
                self._encoders.leave(self._name, self._look, self._codec)
                self._encoder = None

    async def _next(self, codec: str) -> tuple[list[bytes], int]:
        """The next picture for this viewer, as aiortc's sending loop asks for it."""
        self._tell()
        if self._encoder is None:
            self._codec = codec
            self._encoder = self._encoders.join(self._name, self._look, codec)
        while True:
            picture, result = await self._newest(self._encoder)
            if picture.number != self._last + 1 and not picture.key:
                self._encoder.want_key()  # one was missed: without a keyframe nothing after it makes sense
                continue
            self._last = picture.number
            self._unsaid = result
            self._subscription.sent += 1
            return picture.payloads, picture.at

    async def _newest(self, encoder: Encoder) -> tuple[Picture, Result]:
        while True:
            try:
                item = await self._subscription.mailbox.get()
            except StreamEnded as e:
                self._peer.end(ShuttingDown(e.reason))
                raise MediaStreamError from None
            if isinstance(item, Status):
                self._status(item)
            elif (picture := await encoder.encode(item)) is not None:
                return picture, item

    def _want_key(self) -> None:
        if self._encoder is not None:
            self._encoder.want_key()

    # The data channel

    def _tell(self) -> None:
        """Say what is in the picture that has just gone out."""
        result, self._unsaid = self._unsaid, None
        if result is None or not self._peer.talks:
            return
        rendered = None if self._look is None else self._look.on(result).mode
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=0, rendered=rendered)
        message.rtp_timestamp = hooks.last_rtp(self._sender)
        self._peer.say(protocol.encode(message), None if rendered else result.mask_png)

    def _opened(self) -> None:
        self._status(self._hub.find(self._name).status)

    def _status(self, status: Status) -> None:
        self._peer.must_hear(protocol.encode(status))
        model = self._hub.find(self._name).model.status
        if status.state == "live" and model.state != "ready":
            self._peer.must_hear(protocol.encode(model))

    def _heard(self, text: str) -> None:
        message = protocol.decode_viewer(text)
        if isinstance(message, PerformanceStats):
            self._subscription.report(message)
        elif isinstance(message, Ping):
            self._peer.must_hear(protocol.encode(Pong(message.timestamp, time.time() * 1000)))
