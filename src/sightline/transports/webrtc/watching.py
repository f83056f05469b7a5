"""Viewers over WebRTC: they get a stream's video, and on the data channel results with their pictures' RTP times."""

from __future__ import annotations

import logging

from aiortc import RTCRtpTransceiver, VideoStreamTrack
from aiortc.mediastreams import MediaStreamError

from sightline.core.errors import FAULTS, OwnFault, ShuttingDown, StreamEnded, cancelled
from sightline.core.types import FrameResult
from sightline.streams.hub import Hub
from sightline.streams.ingest import EPOCH
from sightline.streams.rendering import Look
from sightline.streams.subscription import Subscription
from sightline.transports._viewer import ViewerSession
from sightline.transports.webrtc import hooks
from sightline.transports.webrtc.packing import RtpEncoder, RtpEncoders
from sightline.transports.webrtc.peer import WebRtcPeer
from sightline.wire import json as protocol
from sightline.wire.messages import Status

log = logging.getLogger(__name__)


class Watching:
    """A viewer's session."""

    def __init__(
        self,
        hub: Hub,
        peer: WebRtcPeer,
        encoders: RtpEncoders,
        name: str,
        look: Look | None,
        subscription: Subscription,
    ) -> None:
        """``look`` says how to draw into the video; None for a viewer that draws by itself."""
        self._hub, self._peer, self._encoders, self._name = hub, peer, encoders, name
        self._viewer = ViewerSession(subscription, look)
        self._joined: tuple[RtpEncoder, Look | None, str] | None = None
        """The encoder whose pictures are sent, its look and its codec."""
        self._last = 0
        """Number of the last picture that was sent, on which the next one builds."""
        self._unsaid: tuple[FrameResult, Look | None] | None = None
        """Result and look of the picture that is being sent. They are told with its RTP time once that is known."""
        peer.heard, peer.opened = self._heard, self._opened

    def attach(self, video: RTCRtpTransceiver) -> None:
        """Start sending the stream's video."""
        self._sender = video.sender
        video.sender.replaceTrack(VideoStreamTrack())  # aiortc needs a track, which is never read
        hooks.feed(video.sender, self._next, self._want_key)

    async def run(self) -> None:
        """Run until the peer is gone. Raises SightlineError if the server ended the session."""
        try:
            await self._peer.run()
        finally:
            self._leave()

    async def _next(self, codec: str) -> tuple[list[bytes], int]:
        """Wait for the next picture for this viewer, called by aiortc's sending loop, which ends where this raises."""
        try:
            return await self._picture(codec)
        except MediaStreamError:
            raise
        except FAULTS as e:
            if cancelled(e):
                raise
            log.exception("stream %s: a WebRTC viewer can't be sent pictures", self._name)
            self._peer.end(OwnFault())
            raise MediaStreamError from None

    async def _picture(self, codec: str) -> tuple[list[bytes], int]:
        self._tell()
        while True:
            result = await self._newest()
            look = self._look(codec)
            encoder = self._encoder(look, codec)
            picture = await encoder.encode(result)
            if picture is None:
                continue
            if picture.number != self._last + 1 and not picture.key:
                encoder.want_key()  # a picture was missed, so only a keyframe can be decoded
                continue
            self._last = picture.number
            self._unsaid = result, look
            self._viewer.subscription.sent += 1
            return picture.data, picture.at

    def _look(self, codec: str) -> Look | None:
        """The look that the viewer wants; that of before, or none, where the stream is drawn in too many ways."""
        look = self._viewer.look
        if self._encoders.has_room(self._name, look, codec):
            return look
        return self._joined[1] if self._joined is not None else None

    def _encoder(self, look: Look | None, codec: str) -> RtpEncoder:
        """The encoder for this look and codec, which is joined if it is not in use already."""
        if self._joined is None or self._joined[1:] != (look, codec):
            self._leave()
            self._joined = self._encoders.join(self._name, look, codec), look, codec
            self._last = 0  # another encoder counts anew; the next picture must be its first, or a keyframe
        return self._joined[0]

    def _leave(self) -> None:
        if self._joined is not None:
            _, look, codec = self._joined
            self._encoders.leave(self._name, look, codec)
            self._joined = None

    async def _newest(self) -> FrameResult:
        while True:
            try:
                item = await self._viewer.subscription.mailbox.get()
            except StreamEnded as e:
                self._peer.end(ShuttingDown(e.reason))
                raise MediaStreamError from None
            if isinstance(item, FrameResult):
                return item
            self._status(item)

    def _want_key(self) -> None:
        if self._joined is not None:
            self._joined[0].want_key()

    # The data channel

    def _tell(self) -> None:
        """Send the result of the picture that has just been sent."""
        unsaid, self._unsaid = self._unsaid, None
        if unsaid is None or not self._peer.talks:
            return
        result, look = unsaid
        rendered = None if look is None else look.on(result).mode
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
        answer = self._viewer.hear(text)
        if answer is not None:
            self._peer.must_hear(protocol.encode(answer))
