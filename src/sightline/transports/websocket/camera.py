"""``/ws/camera/{stream}``: a camera sends pictures, and each one is answered."""

from __future__ import annotations

import logging
import time
from asyncio import Future
from collections import deque
from collections.abc import Callable
from functools import partial

from starlette.websockets import WebSocket

from sightline.core.errors import FAULTS, BadRequest, IdleTimeout, ProtocolError
from sightline.core.types import Frame, FrameResult
from sightline.inference.client_results import result_of
from sightline.settings.presets import preset_named
from sightline.streams.adaptive.service import begin
from sightline.streams.hub import Hub
from sightline.streams.ingest import Ingest
from sightline.streams.stream import Stream
from sightline.transports.websocket.publisher import WebSocketPublisher
from sightline.transports.websocket.session import Socket, WebSocketSession, flag, peer
from sightline.wire import json as protocol
from sightline.wire import msgpack as frames
from sightline.wire.messages import Pong
from sightline.wire.requests import MAX_SESSION, Background, FrameMetadata, PageResults, Ping, SettingsWish, captured

log = logging.getLogger(__name__)


async def publish(ws: WebSocket, socket: Socket, hub: Hub) -> None:
    """Serve a camera. Raises the error that ended its session."""
    wants_results = flag(ws, "results", default=True)
    secret = ws.query_params.get("session", "")
    if len(secret) > MAX_SESSION:
        raise BadRequest(f"session of {len(secret)} letters: expected at most {MAX_SESSION}")
    preset = preset_named(ws.query_params.get("preset"))
    camera = WebSocketCamera(socket, hub)
    pending = hub.settings.pending(preset)
    publisher = WebSocketPublisher(camera, wants_results=wants_results, secret=secret, max_pending=pending)
    name = ws.path_params["stream"]
    async with hub.publish(name, publisher, preset=preset) as stream:
        log.info("stream %s: camera %s connected", name, peer(ws))
        publisher.say(begin(stream, hub.settings))
        publisher.tell(stream.model.status)
        try:
            await camera.serve(stream, publisher)
        finally:
            log.info("stream %s: camera %s left", name, peer(ws))


class WebSocketCamera(WebSocketSession):
    """A camera, which sends each picture after its announcement, or both in one map."""

    def __init__(self, socket: Socket, hub: Hub) -> None:
        super().__init__(socket)
        self._hub = hub
        self._announced: FrameMetadata | None = None
        self._heard = self.loop.time()
        """Loop time of the last message."""
        self._later: deque[str | bytes] | None = None
        """What came while a frame's result is made: at most what the socket had read. None where none is."""

    async def serve(self, stream: Stream, publisher: WebSocketPublisher) -> None:
        """Serve the camera of a stream: see ``run``."""
        self._publisher = publisher
        self._ingest = Ingest(stream, self._hub.settings)
        self._idle = self.loop.call_later(self._hub.settings.idle_timeout, self._check_idle)
        try:
            await self.run()
        finally:
            self._idle.cancel()

    def _check_idle(self) -> None:
        limit = self._hub.settings.idle_timeout
        # Browsers slow the timers of a hidden page down: the protocol's own pings find out whether it is there.
        silent = 0.0 if self._publisher.hidden else self.loop.time() - self._heard
        if silent >= limit:
            self.end(IdleTimeout(f"nothing came for {limit:g} s: expected frames"))
        else:
            self._idle = self.loop.call_later(limit - silent, self._check_idle)

    def hear(self, data: str | bytes) -> None:
        self._heard = self.loop.time()
        if self._later is not None:
            self._later.append(data)
        elif isinstance(data, bytes):
            self._take_picture(data)
        else:
            self._take_text(protocol.decode_camera(data))

    def _take_text(self, message: protocol.CameraMessage) -> None:
        if isinstance(message, FrameMetadata):
            if self._announced is not None:
                raise ProtocolError("two frame_metadata in a row: expected the JPEG as a binary message between them")
            self._announced = message
        elif isinstance(message, Ping):
            self._publisher.say(Pong(message.timestamp, time.time() * 1000))
        elif isinstance(message, SettingsWish):
            self._hub.wish(self._ingest.stream, self._publisher, message.given())
        elif isinstance(message, Background):
            self._ingest.stream.hide(self._publisher, message.on)

    def _take_picture(self, data: bytes) -> None:
        announced, self._announced = self._announced, None
        if announced is None:
            self._take_map(data)
        elif isinstance(announced.results, PageResults):
            self._take_inferred(announced, announced.results, data)
        else:
            self._ingest.put_jpeg(announced.seq, *captured(announced), data)

    def _take_map(self, data: bytes) -> None:
        if not frames.is_map(data):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected frame_metadata before it")
        message = frames.decode_frame(data)
        stream = self._ingest.stream.name
        if message.stream != stream:
            raise ProtocolError(f"frame of stream {message.stream[:80]!r}: expected {stream!r}")
        self._ingest.put_jpeg(message.seq, *captured(message), bytes(message.data))

    def _take_inferred(self, meta: FrameMetadata, said: PageResults, data: bytes) -> None:
        """Take a frame that the camera has inferred itself. ``data`` is the JPEG, then the mask if there is one."""
        size = len(data) - (said.mask_bytes or 0)
        if size < 1:
            raise ProtocolError(
                f"binary message of {len(data)} bytes: expected a JPEG before {said.mask_bytes} of a mask"
            )
        stream = self._ingest.stream
        frame = self._ingest.begin_jpeg(meta.seq, *captured(meta), data[:size])
        if frame is None:
            return
        model = stream.model.worker.model
        card = None if model is None else model.card
        if card is None or card.name != said.model:
            stream.fail(frame, f"inferred with model {said.model!r}: expected {card.name if card else 'none yet'!r}")
            return
        mask_png = None if said.mask_bytes is None else data[size:]
        make = partial(result_of, frame, said, mask_png, card, stream.pipeline, stream.model.options.shown)
        if mask_png is None and not stream.pipeline:
            self._settle(frame, make)
        else:
            self._later = deque()
            self.socket.pause_reading()
            making = self.loop.run_in_executor(None, make)
            making.add_done_callback(partial(self._made, frame))

    def _made(self, frame: Frame, making: Future[FrameResult]) -> None:
        """The result is made: go on with what came meanwhile."""
        later, self._later = self._later or deque(), None
        if making.cancelled():
            self._ingest.stream.give_back(frame)
        else:
            try:
                self._settle(frame, making.result)
            except FAULTS as e:
                self.fail(e)
        while later and self._later is None:
            self.received(later.popleft())
        if self._later is None:
            self.socket.resume_reading()
        else:
            self._later.extend(later)

    def _settle(self, frame: Frame, make: Callable[[], FrameResult]) -> None:
        """Deliver what is made of a frame, also where the camera has left meanwhile."""
        stream = self._ingest.stream
        try:
            result = make()
        except ProtocolError as e:
            stream.fail(frame, e.message)
            raise
        except BaseException:
            stream.give_back(frame)
            raise
        stream.deliver(result)
