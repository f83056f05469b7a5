"""WebSockets: ``/ws/camera/{stream}`` publishes, ``/ws/view/{stream}`` subscribes, ``/ws`` tells every result."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeAlias

from fastapi import FastAPI
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from sightline import frames, protocol
from sightline.access import access_of
from sightline.adapting import begin, knobs_of
from sightline.drawing import Drawing, Look
from sightline.errors import (
    BadRequest,
    IdleTimeout,
    LimitReached,
    ProtocolError,
    ShuttingDown,
    SightlineError,
    StreamBusy,
    StreamEnded,
    TooLarge,
)
from sightline.hub import Hub, status_of
from sightline.inferred import result_of
from sightline.intake import EPOCH, Intake, Pacer
from sightline.mailbox import Mailbox
from sightline.presets import PRESETS, PresetName
from sightline.protocol import (
    MAX_SESSION,
    Adapt,
    FrameMetadata,
    PageResults,
    Ping,
    Pong,
    SettingsMessage,
    SettingsRefused,
    SettingsWish,
    Status,
)
from sightline.stream import DropReason, Stream, Subscription
from sightline.tokens import Role
from sightline.types import Frame, Result

log = logging.getLogger(__name__)

ANSWERS = 64
"""Answers that may wait for a camera that doesn't read; then it is closed."""
UNACKNOWLEDGED = 2
"""Frames under way to a viewer that acknowledges."""
FAREWELL_S = 2.0

Loop: TypeAlias = Coroutine[Any, Any, None]
Make: TypeAlias = Callable[[Result], Awaitable[tuple[str, bytes]]]
"""A result's two messages to a viewer."""


@asynccontextmanager
async def serve(app: FastAPI, hub: Hub, drawing: Drawing) -> AsyncGenerator[None]:
    """Put the three endpoints on the app."""

    async def camera(ws: WebSocket) -> None:
        await _session(ws, "publish", ws.path_params["stream"], lambda: _camera(ws, hub))

    async def view(ws: WebSocket) -> None:
        await _session(ws, "view", ws.path_params["stream"], lambda: _view(ws, hub, drawing))

    async def listen(ws: WebSocket) -> None:
        await _session(ws, "view", ws.query_params.get("stream"), lambda: _listen(ws, hub))

    app.router.add_websocket_route("/ws/camera/{stream}", camera)
    app.router.add_websocket_route("/ws/view/{stream}", view)
    app.router.add_websocket_route("/ws", listen)
    yield


# A session: whatever goes wrong in it is told to its peer and ends it alone


async def _session(ws: WebSocket, role: Role, stream: str | None, run: Callable[[], Loop]) -> None:
    await ws.accept()
    try:
        access = access_of(ws)
        async with access.session(access.require(ws, role, stream=stream)):
            await run()
    except (WebSocketDisconnect, OSError):
        return
    except SightlineError as e:
        log.info("%s %s closed: %s", ws.url.path, _peer(ws), e.message)
        await _refuse(ws, e)


async def _refuse(ws: WebSocket, error: SightlineError) -> None:
    try:
        async with asyncio.timeout(FAREWELL_S):  # a peer that reads nothing must not hold us
            await ws.send_text(protocol.error_message(error))
            await ws.close(_close_code(error), error.message.encode()[:120].decode(errors="ignore"))
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        log.debug("%s %s left before it could be told why", ws.url.path, _peer(ws))


def _close_code(error: SightlineError) -> int:
    if isinstance(error, TooLarge):
        return 1009
    if isinstance(error, ShuttingDown):
        return 1001
    if isinstance(error, (StreamBusy, LimitReached)):
        return 1013
    return 1008


def _peer(ws: WebSocket) -> str:
    return f"{ws.client.host}:{ws.client.port}" if ws.client else "?"


async def _until_end(*loops: Loop) -> None:
    """Run endless loops together until one raises; raise what ended them."""
    ended: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for loop in loops:
                group.create_task(loop)
    except* SightlineError as e:
        ended = e.exceptions[0]
    except* StreamEnded as e:
        ended = ShuttingDown(str(e.exceptions[0]))
    except* (WebSocketDisconnect, OSError):
        ended = WebSocketDisconnect()
    if ended is not None:
        raise ended


async def _receive(ws: WebSocket) -> str | bytes:
    message = await ws.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    data: bytes | None = message.get("bytes")
    return data if data is not None else str(message["text"])


async def _send(ws: WebSocket, text: str, data: bytes | None = None) -> None:
    if ws.application_state is not WebSocketState.CONNECTED:
        raise WebSocketDisconnect
    await ws.send_text(text)
    if data is not None:
        await ws.send_bytes(data)


# Cameras


class Camera:
    """A camera's session, as its stream sees it. Answers wait in a bounded mailbox for the sending task."""

    def __init__(self, *, wants_results: bool, max_pending: int) -> None:
        self.wants_results = wants_results
        self.answers: Mailbox[tuple[str, bytes | None]] = Mailbox(ANSWERS)
        self._pacer = Pacer(max_pending, self._say_dropped)

    def answer(self, result: Result) -> None:
        """The frame's result."""
        message = protocol.result_message(result, mask_follows=True)
        self.answers.put((protocol.encode(message), result.mask_png))

    def drop(self, frame: Frame, reason: DropReason) -> None:
        """The frame was dropped."""
        self._pacer.later(frame, protocol.Dropped(frame.seq, reason))

    def _say_dropped(self, notices: list[protocol.Dropped]) -> None:
        for notice in notices:
            self.say(protocol.encode(notice))

    def fail(self, frame: Frame, message: str) -> None:
        """The frame failed."""
        self.answers.put((protocol.encode(protocol.Dropped(frame.seq, "failed", message)), None))

    def tell(self, status: Status) -> None:
        """How the model stands."""
        self.say(protocol.encode(status))

    def ask(self, message: Adapt) -> None:
        """For other pictures from now on."""
        self.say(protocol.encode(message))

    def inform(self, message: SettingsMessage | SettingsRefused) -> None:
        """What its frames are processed with from now on, or why not."""
        self.say(protocol.encode(message))

    def say(self, text: str) -> None:
        """Anything else for the camera."""
        self.answers.put((text, None))

    def close(self, reason: str) -> None:
        """End the session with a reason."""
        self.answers.close(reason)


async def _camera(ws: WebSocket, hub: Hub) -> None:
    wanted = ws.query_params.get("results", "1")
    if wanted not in ("0", "1"):
        raise BadRequest(f"results={wanted[:20]}: expected 0 or 1")
    session = ws.query_params.get("session", "")
    if len(session) > MAX_SESSION:
        raise BadRequest(f"session of {len(session)} letters: expected at most {MAX_SESSION}")
    limits = hub.settings
    preset = _preset(ws.query_params.get("preset"))
    camera = Camera(wants_results=wanted == "1", max_pending=limits.pending(preset))
    name = ws.path_params["stream"]
    async with hub.publish(name, camera, session=session) as stream:
        stream.preset = preset or stream.preset
        begin(stream, limits, camera.ask)
        stream.inform = camera.inform
        knobs = knobs_of(stream)
        log.info("stream %s: camera %s connected", name, _peer(ws))
        hello = protocol.Hello(
            stream=name,
            model=stream.worker.model_name,
            max_pending=limits.pending(stream.preset),
            max_fps=limits.max_fps,
            max_message_bytes=limits.max_message_bytes,
            max_pixels=limits.max_pixels,
            preset=stream.preset,
            fps=knobs.fps,
            quality=knobs.quality,
            width=knobs.width,
        )
        camera.say(protocol.encode(hello))
        camera.tell(status_of(stream))
        try:
            await _until_end(_camera_reads(ws, hub, stream, camera), _camera_sends(ws, camera))
        finally:
            log.info("stream %s: camera %s left", name, _peer(ws))


def _preset(given: str | None) -> PresetName | None:
    for name in PRESETS:
        if name == given:
            return name
    if given is not None:
        raise BadRequest(f"preset={given[:20]}: expected one of {', '.join(PRESETS)}")
    return None


async def _camera_reads(ws: WebSocket, hub: Hub, stream: Stream, camera: Camera) -> None:
    limits = hub.settings
    intake = Intake(stream, limits)
    announced: FrameMetadata | None = None
    while True:
        try:
            async with asyncio.timeout(limits.idle_timeout):
                data = await _receive(ws)
        except TimeoutError:
            raise IdleTimeout(f"nothing came for {limits.idle_timeout:g} s: expected frames") from None
        if isinstance(data, bytes):
            if announced is not None and isinstance(announced.results, PageResults):
                await _take_inferred(intake, announced, announced.results, data)
                announced = None
            elif announced is not None:
                intake.take(announced.frameNumber, announced.timestamp, announced.clockOffset, data)
                announced = None
            elif frames.is_map(data):
                _take_map(intake, data)
            else:
                raise ProtocolError(f"binary message of {len(data)} bytes: expected frame_metadata before it")
            continue
        message = protocol.decode_camera(data)
        if isinstance(message, Ping):
            camera.say(protocol.encode(Pong(message.timestamp, time.time() * 1000)))
        elif isinstance(message, SettingsWish):
            hub.wish(stream, message.given(), camera.inform)
        elif isinstance(message, FrameMetadata):
            if announced is not None:
                raise ProtocolError("two frame_metadata in a row: expected the JPEG as a binary message between them")
            announced = message


async def _take_inferred(intake: Intake, meta: FrameMetadata, said: PageResults, data: bytes) -> None:
    """A frame that the camera has inferred itself: the JPEG, then the mask where there is one."""
    size = len(data) - (said.mask_bytes or 0)
    if size < 1:
        raise ProtocolError(f"binary message of {len(data)} bytes: expected a JPEG before {said.mask_bytes} of a mask")
    stream = intake.stream
    frame = intake.begin(meta.frameNumber, meta.timestamp, meta.clockOffset, data[:size])
    if frame is None:
        return
    card = stream.worker.model.card if stream.worker.model is not None else None
    if card is None or card.name != said.model:
        stream.fail(frame, f"inferred with model {said.model!r}: expected {card.name if card else 'none yet'!r}")
        return
    try:
        if said.mask_bytes is None:
            result = result_of(frame, said, None, card, stream.asked.shown)
        else:
            result = await asyncio.to_thread(result_of, frame, said, data[size:], card, stream.asked.shown)
    except ProtocolError as e:
        stream.fail(frame, e.message)
        raise
    except BaseException:
        stream.give_back(frame)
        raise
    stream.deliver(result)


def _take_map(intake: Intake, data: bytes) -> None:
    message = frames.decode_frame(data)
    if message.stream != intake.stream.name:
        raise ProtocolError(f"frame of stream {message.stream[:80]!r}: expected {intake.stream.name!r}")
    intake.take(message.seq, message.timestamp, message.clock_offset, bytes(message.data))


async def _camera_sends(ws: WebSocket, camera: Camera) -> None:
    while True:
        text, data = await camera.answers.get()
        if camera.answers.dropped:
            raise LimitReached(f"{ANSWERS} answers wait: expected a camera that reads them")
        await _send(ws, text, data)


# Viewers


class Acks:
    """Which frames are under way to a viewer. Until its first ack it is not waited for."""

    def __init__(self) -> None:
        self._under_way: deque[int] = deque(maxlen=64)
        self._acknowledges = False
        self._changed = asyncio.Event()

    def sent(self, seq: int) -> None:
        """A frame was sent."""
        self._under_way.append(seq)

    def acknowledge(self, seq: int) -> None:
        """The viewer has drawn this frame, and so is done with the older ones."""
        self._acknowledges = True
        if seq in self._under_way:
            while self._under_way.popleft() != seq:
                pass
        self._changed.set()

    async def room(self) -> None:
        """Wait until another frame may be sent."""
        while self._acknowledges and len(self._under_way) >= UNACKNOWLEDGED:
            self._changed.clear()
            await self._changed.wait()


async def _view(ws: WebSocket, hub: Hub, drawing: Drawing) -> None:
    render = ws.query_params.get("render", "viewer")
    if render not in ("viewer", "server"):
        raise BadRequest(f"render={render[:20]}: expected server or viewer")
    look = Look.of(ws.query_params.get("mode"), ws.query_params.get("opacity"))
    still = ws.query_params.get("still", "0")
    if still not in ("0", "1"):
        raise BadRequest(f"still={still[:20]}: expected 0 or 1")
    name = ws.path_params["stream"]
    async with hub.subscribe(name) as subscription:
        stream = hub.find(name)
        await _tell_viewer(ws, stream, stream.status)
        acks = Acks()
        make = partial(_drawn, drawing, look) if render == "server" else partial(_plain, drawing)
        sends = _viewer_sends(ws, stream, subscription, acks, make, still=still == "1")
        await _until_end(_viewer_reads(ws, subscription, acks), sends)


async def _viewer_reads(ws: WebSocket, subscription: Subscription, acks: Acks) -> None:
    while True:
        data = await _receive(ws)
        if isinstance(data, bytes):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text from a viewer")
        message = protocol.decode_viewer(data)
        if isinstance(message, protocol.Ack):
            acks.acknowledge(message.frameNumber)
        elif isinstance(message, protocol.PerformanceStats):
            subscription.report(message)
        else:
            await _send(ws, protocol.encode(Pong(message.timestamp, time.time() * 1000)))


async def _tell_viewer(ws: WebSocket, stream: Stream, status: Status) -> None:
    await _send(ws, protocol.encode(status))
    model = status_of(stream)
    if status.state == "live" and model.state != "ready":
        await _send(ws, protocol.encode(model))


async def _viewer_sends(
    ws: WebSocket, stream: Stream, subscription: Subscription, acks: Acks, make: Make, *, still: bool
) -> None:
    """``still``: where nothing moved since the last picture, say only that."""
    scene: Frame | None = None
    while True:
        await acks.room()  # first room, then the newest: what waits here is never stale
        item = await subscription.mailbox.get()
        if isinstance(item, Status):
            await _tell_viewer(ws, stream, item)
            continue
        if still and item.reused is not None and item.reused is scene:
            await _send(ws, _still(item))
            continue
        scene = item.reused or item.frame
        text, data = await make(item)
        acks.sent(item.frame.seq)
        await _send(ws, text, data)
        subscription.sent += 1


async def _plain(drawing: Drawing, result: Result) -> tuple[str, bytes]:
    """For a viewer that draws: the picture as it came, and the mask."""
    made: tuple[str, bytes] | None = result.forms.get("viewer")
    if made is None:
        jpeg = await drawing.plain(result)
        data = jpeg if result.mask_png is None else jpeg + result.mask_png
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(jpeg))
        made = result.forms["viewer"] = protocol.encode(message), data
    return made


async def _drawn(drawing: Drawing, look: Look, result: Result) -> tuple[str, bytes]:
    """For a viewer that can't draw; made once for all that want it drawn like this."""
    real = look.on(result)
    form = f"server {real.mode} {real.opacity}"
    made: tuple[str, bytes] | None = result.forms.get(form)
    if made is None:
        data = await drawing.jpeg(result, look)
        message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(data), rendered=real.mode)
        made = result.forms[form] = protocol.encode(message), data
    return made


def _still(result: Result) -> str:
    text: str | None = result.forms.get("still")
    if text is None:
        text = result.forms["still"] = protocol.encode(protocol.still(result, epoch=EPOCH))
    return text


# Listeners


async def _listen(ws: WebSocket, hub: Hub) -> None:
    name = ws.query_params.get("stream")
    backlog = 64
    opened = (
        hub.subscribe_all(backlog=backlog) if name is None else hub.subscribe(name, backlog=backlog, kind="listener")
    )
    async with opened as subscription:
        await _until_end(_listener_reads(ws), _listener_sends(ws, subscription))


async def _listener_reads(ws: WebSocket) -> None:
    while True:
        data = await _receive(ws)
        if len(data) > protocol.MAX_TEXT:
            raise TooLarge(f"message of {len(data)} bytes: expected nothing from a listener")


async def _listener_sends(ws: WebSocket, subscription: Subscription) -> None:
    while True:
        item = await subscription.mailbox.get()
        if isinstance(item, Status):
            continue
        text: str | None = item.forms.get("json")
        if text is None:
            text = item.forms["json"] = protocol.encode(protocol.result_message(item, mask_follows=False))
        await _send(ws, text)
        subscription.sent += 1
