"""``/ws/camera/{stream}``: a camera sends pictures, and each one is answered."""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial

from starlette.websockets import WebSocket

from sightline.core.errors import BadImage, BadRequest, IdleTimeout, LimitReached, ProtocolError, TooLarge
from sightline.core.mailbox import Mailbox
from sightline.core.types import Frame, FrameResult
from sightline.inference.client_results import result_of
from sightline.settings.presets import preset_named
from sightline.streams.adaptive.service import begin
from sightline.streams.hub import Hub
from sightline.streams.ingest import Ingest, Pacer
from sightline.streams.publisher import DropReason, Publisher
from sightline.streams.stream import Stream
from sightline.transports.websocket.session import peer, receive, send, until_end
from sightline.wire import json as protocol
from sightline.wire import msgpack as frames
from sightline.wire.messages import Adapt, JsonDropped, Pong, SettingsMessage, SettingsRefused, Status
from sightline.wire.requests import MAX_SESSION, Background, FrameMetadata, PageResults, Ping, SettingsWish, captured

log = logging.getLogger(__name__)

ANSWERS = 64
"""Maximum number of answers waiting for a camera that doesn't read; above it, the session is closed."""


class WebSocketPublisher(Publisher):
    """Publisher of a camera's session. Answers wait in a bounded mailbox for the sending task."""

    def __init__(self, *, wants_results: bool, session: str, max_pending: int) -> None:
        self.wants_results, self.session = wants_results, session
        self.answers: Mailbox[tuple[str, bytes | None]] = Mailbox(ANSWERS)
        self._pacer = Pacer(max_pending, self._say_dropped)

    def answer(self, result: FrameResult) -> None:
        """Send the frame's result."""
        message = protocol.result_message(result, mask_follows=True)
        self.answers.put((protocol.encode(message), result.mask_png))

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """Say that the frame was dropped."""
        self._pacer.later(frame.received_at, JsonDropped(seq=frame.seq, reason=reason))

    def _say_dropped(self, notices: list[JsonDropped]) -> None:
        for notice in notices:
            self.say(protocol.encode(notice))

    def refuse(self, seq: int, error: BadImage | TooLarge) -> None:
        """Say that a picture could not be taken."""
        self._pacer.later(time.monotonic(), JsonDropped(seq=seq, reason=error.code, message=error.message))

    def fail(self, frame: Frame, message: str) -> None:
        """Say that the frame failed."""
        self.answers.put((protocol.encode(JsonDropped(seq=frame.seq, reason="failed", message=message)), None))

    def tell(self, status: Status) -> None:
        """Send the model's status."""
        self.say(protocol.encode(status))

    def ask(self, message: Adapt) -> None:
        """Ask for other pictures from now on."""
        self.say(protocol.encode(message))

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """Send the settings that apply to its frames from now on, or why they did not change."""
        self.say(protocol.encode(message))

    def say(self, text: str) -> None:
        """Send any other text message."""
        self.answers.put((text, None))

    def close(self, reason: str) -> None:
        """End the session with a reason."""
        self.answers.close(reason)


async def publish(ws: WebSocket, hub: Hub) -> None:
    """Serve a camera. Raises the error that ended its session."""
    wanted = ws.query_params.get("results", "1")
    if wanted not in ("0", "1"):
        raise BadRequest(f"results={wanted[:20]}: expected 0 or 1")
    session = ws.query_params.get("session", "")
    if len(session) > MAX_SESSION:
        raise BadRequest(f"session of {len(session)} letters: expected at most {MAX_SESSION}")
    limits = hub.settings
    preset = preset_named(ws.query_params.get("preset"))
    camera = WebSocketPublisher(wants_results=wanted == "1", session=session, max_pending=limits.pending(preset))
    name = ws.path_params["stream"]
    async with hub.publish(name, camera, preset=preset) as stream:
        log.info("stream %s: camera %s connected", name, peer(ws))
        camera.say(protocol.encode(begin(stream, limits)))
        camera.tell(stream.model.status)
        try:
            await until_end(_camera_reads(ws, hub, stream, camera), _camera_sends(ws, camera))
        finally:
            log.info("stream %s: camera %s left", name, peer(ws))


async def _camera_reads(ws: WebSocket, hub: Hub, stream: Stream, camera: WebSocketPublisher) -> None:
    limits = hub.settings
    ingest = Ingest(stream, limits)
    announced: FrameMetadata | None = None
    while True:
        try:
            # Browsers slow the timers of a hidden page down: the protocol's own pings find out whether it is there.
            async with asyncio.timeout(None if camera.hidden else limits.idle_timeout):
                data = await receive(ws)
        except TimeoutError:
            raise IdleTimeout(f"nothing came for {limits.idle_timeout:g} s: expected frames") from None
        if isinstance(data, bytes):
            if announced is not None and isinstance(announced.results, PageResults):
                await _take_inferred(ingest, announced, announced.results, data)
                announced = None
            elif announced is not None:
                ingest.put_jpeg(announced.seq, *captured(announced), data)
                announced = None
            elif frames.is_map(data):
                _take_map(ingest, data)
            else:
                raise ProtocolError(f"binary message of {len(data)} bytes: expected frame_metadata before it")
            continue
        message = protocol.decode_camera(data)
        if isinstance(message, Ping):
            camera.say(protocol.encode(Pong(message.timestamp, time.time() * 1000)))
        elif isinstance(message, SettingsWish):
            hub.wish(stream, camera, message.given())
        elif isinstance(message, Background):
            stream.hide(camera, message.on)
        elif isinstance(message, FrameMetadata):
            if announced is not None:
                raise ProtocolError("two frame_metadata in a row: expected the JPEG as a binary message between them")
            announced = message


async def _take_inferred(ingest: Ingest, meta: FrameMetadata, said: PageResults, data: bytes) -> None:
    """Take a frame that the camera has inferred itself. ``data`` is the JPEG, then the mask if there is one."""
    size = len(data) - (said.mask_bytes or 0)
    if size < 1:
        raise ProtocolError(f"binary message of {len(data)} bytes: expected a JPEG before {said.mask_bytes} of a mask")
    stream = ingest.stream
    frame = ingest.begin_jpeg(meta.seq, *captured(meta), data[:size])
    if frame is None:
        return
    model = stream.model.worker.model
    card = None if model is None else model.card
    if card is None or card.name != said.model:
        stream.fail(frame, f"inferred with model {said.model!r}: expected {card.name if card else 'none yet'!r}")
        return
    try:
        mask_png = None if said.mask_bytes is None else data[size:]
        make = partial(result_of, frame, said, mask_png, card, stream.pipeline, stream.model.options.shown)
        result = make() if mask_png is None else await asyncio.to_thread(make)
    except ProtocolError as e:
        stream.fail(frame, e.message)
        raise
    except BaseException:
        stream.give_back(frame)
        raise
    stream.deliver(result)


def _take_map(ingest: Ingest, data: bytes) -> None:
    message = frames.decode_frame(data)
    if message.stream != ingest.stream.name:
        raise ProtocolError(f"frame of stream {message.stream[:80]!r}: expected {ingest.stream.name!r}")
    ingest.put_jpeg(message.seq, *captured(message), bytes(message.data))


async def _camera_sends(ws: WebSocket, camera: WebSocketPublisher) -> None:
    while True:
        text, data = await camera.answers.get()
        if camera.answers.dropped:
            raise LimitReached(f"{ANSWERS} answers wait: expected a camera that reads them")
        await send(ws, text, data)
