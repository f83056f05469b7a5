"""``/ws/view/{stream}``: the newest frame with its result."""

from __future__ import annotations

from asyncio import Future, ensure_future
from contextlib import AsyncExitStack
from functools import partial

from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, ProtocolError
from sightline.core.types import Detection, Encoded, Frame, FrameResult
from sightline.media import codecs
from sightline.streams.hub import Hub
from sightline.streams.ingest import EPOCH
from sightline.streams.rendering import Drawing, Look
from sightline.streams.stream import Stream
from sightline.transports._viewer import ViewerSession
from sightline.transports.websocket.session import Socket, WebSocketSession, binary_frame, flag, text_frame
from sightline.wire import json as protocol
from sightline.wire.messages import Status


async def watch(ws: WebSocket, socket: Socket, hub: Hub, drawing: Drawing) -> None:
    """Serve a viewer. Raises the error that ended its session."""
    render = ws.query_params.get("render", "viewer")
    if render not in ("viewer", "server"):
        raise BadRequest(f"render={render[:20]}: expected server or viewer")
    look = Look.of(ws.query_params.get("mode"), ws.query_params.get("opacity"))
    still = flag(ws, "still", default=False)
    name = ws.path_params["stream"]
    async with AsyncExitStack() as stack:
        subscription = await stack.enter_async_context(hub.subscribe(name))
        if render == "server":
            viewer = ViewerSession(subscription, look, stack.enter_context(drawing.watched(name, look)))
        else:
            viewer = ViewerSession(subscription, None)
        await WebSocketViewer(socket, hub.find(name), viewer, drawing, still=still).run()


class WebSocketViewer(WebSocketSession):
    """A viewer, which is sent the newest result whenever it has room.

    It has where the transport takes more and not too many pictures are under way without an ack. Until then the newest
    result waits in the mailbox. With ``still``, a short message replaces a picture that looks like the last.
    """

    def __init__(self, socket: Socket, stream: Stream, viewer: ViewerSession, drawing: Drawing, *, still: bool) -> None:
        super().__init__(socket)
        self._stream, self._viewer, self._drawing, self._still = stream, viewer, drawing, still
        self._shown: tuple[Frame, Look | None] | None = None
        """What the viewer shows, or will when it is made."""
        self._said: tuple[Detection, ...] = ()
        """What it was told of that last."""
        self._being_made: Future[bytes] | None = None
        """The picture that is being made for this viewer, which the next one waits for."""
        self._tell_status(stream.status)
        viewer.subscription.mailbox.on_change = self.changed

    def hear(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text from a viewer")
        answer = self._viewer.hear(data)
        if answer is not None:
            self.say(text_frame(answer))
        self.push()  # an ack makes room

    def push(self) -> None:
        mailbox = self._viewer.subscription.mailbox  # of one item
        item = mailbox.take() if self._has_room or mailbox.closed else None
        if isinstance(item, Status):
            self._tell_status(item)
        elif item is not None:
            self._show(item)

    @property
    def _has_room(self) -> bool:
        return self._being_made is None and self._viewer.acks.room and self.room

    def _tell_status(self, status: Status) -> None:
        self.say(text_frame(status))
        model = self._stream.model.status
        if status.state == "live" and model.state != "ready":
            self.say(text_frame(model))

    def _show(self, result: FrameResult) -> None:
        look = self._viewer.look
        changed, self._said = result.detections != self._said, result.detections
        same = result.reused is not None and (result.reused, look) == self._shown
        if self._still and same and not (changed and look is not None):  # in a drawn picture its words are drawn
            self.socket.write(_still(result, changed))
            return
        self._shown = result.reused or result.frame, look
        made = _made(self._drawing, look, result)
        if isinstance(made, bytes):
            self._send_picture(result, made)
        else:
            self._being_made = made
            made.add_done_callback(partial(self._is_made, result))

    def _is_made(self, result: FrameResult, made: Future[bytes]) -> None:
        self._being_made = None
        if made.cancelled():
            return
        if (error := made.exception()) is not None:
            self.fail(error)
        elif not self.ended.done():
            self._send_picture(result, made.result())
            self.changed()

    def _send_picture(self, result: FrameResult, frames: bytes) -> None:
        self._viewer.acks.sent(result.frame.seq)
        self.socket.write(frames)
        self._viewer.subscription.sent += 1


def _made(drawing: Drawing, look: Look | None, result: FrameResult) -> bytes | Future[bytes]:
    """Make the frames of a result and its picture, once for all viewers with the same look."""
    if look is not None:
        return result.once(("viewer", look), lambda: ensure_future(_drawn(drawing, look, result)))
    if isinstance(image := result.frame.image, Encoded):
        return result.once("viewer", lambda: _plain(result, codecs.whole(image)))
    return result.once("viewer", lambda: ensure_future(_encoded(drawing, result)))


def _plain(result: FrameResult, jpeg: bytes) -> bytes:
    """Make the frames for a viewer that draws: the result, and the picture as it came with the mask after it."""
    message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(jpeg))
    return text_frame(message) + binary_frame(jpeg if result.mask_png is None else jpeg + result.mask_png)


async def _encoded(drawing: Drawing, result: FrameResult) -> bytes:
    return _plain(result, await drawing.plain(result))


async def _drawn(drawing: Drawing, look: Look, result: FrameResult) -> bytes:
    jpeg = await drawing.jpeg(result, look)
    message = protocol.viewer_frame(result, epoch=EPOCH, jpeg_bytes=len(jpeg), rendered=look.on(result).mode)
    return text_frame(message) + binary_frame(jpeg)


def _still(result: FrameResult, changed: bool) -> bytes:
    return result.once(("still", changed), lambda: text_frame(protocol.still(result, epoch=EPOCH, changed=changed)))
