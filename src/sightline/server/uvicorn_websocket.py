"""uvicorn's WebSocket protocol with limits: pieces and rate of messages, time for them to arrive and to be read."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.frames import Frame, apply_mask  # type: ignore[attr-defined]  # in C where it can be
from websockets.protocol import State

from sightline.core.metrics import TokenBucket
from sightline.security.authentication import CONNECTION
from sightline.transports.websocket.session import SOCKET, WHOLE_BINARY, WHOLE_TEXT, WebSocketSession
from sightline.wire.requests import MAX_MESSAGES

log = logging.getLogger(__name__)

FAREWELL_S = 3.0
"""Seconds that a peer has to take the last message before its connection is aborted."""
REASON_S = 0.5
"""Seconds to read why it is closed, for a peer over TLS, where nothing can be half closed, or one that goes on sending.
"""
UNHEARD = 1 << 22
"""Bytes that are read and thrown away after a close, so that a peer in the middle of sending can read why."""
MAX_HEAD = 64 * 1024
"""Bytes of a request's line and headers together."""
MAX_FRAGMENTS = 1024
"""Most fragments of one WebSocket message. Browsers send a picture in one to ten."""
MAX_CONTROL = 200.0
"""Pings and pongs that a WebSocket peer may send a second."""
MAX_TEXT_MESSAGE = 64 * 1024
"""Bytes of a message where no pictures are sent. Larger ones are not even collected."""
MASKED, TWO_BYTES, EIGHT_BYTES = 128, 126, 127
"""The second byte of a client's frame is 128 and the size, or that and 126 or 127 where two or eight bytes have it."""
SHORTEST = 6
"""Bytes of the shortest frame of a client: those two, and the mask."""
LEAST, PIECE = 2048, 32768
"""Bytes that are parsed before what is in them is counted: as many as wait for the rest of a frame, but within these.

A whole read may hold 43,000 WebSocket frames of 6 bytes, 0.8 s of the loop's time.
"""

http11.MAX_LINE_LENGTH = MAX_HEAD  # a browser sends the cookies of all servers on this machine to each, maybe 10 KB


class Patience:
    """Aborts a connection when its peer has taken no data for ``seconds`` while some was waiting.

    Closing is not enough, as it waits until everything is sent. A peer that is only slow is left alone.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float) -> None:
        self._transport = transport
        self._seconds = seconds
        self._left = 0
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Start the timer: writing is paused because the send buffer is full."""
        self._left = self._transport.get_write_buffer_size()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._check)

    def end(self) -> None:
        """Stop the timer: writing resumes, or the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() < self._left:
            self.begin()
        else:
            self._transport.abort()


class _ToSession:
    """Stands in for uvicorn's queue, and hands on what uvicorn puts there."""

    def __init__(self, session: WebSocketSession) -> None:
        self._session = session

    def put_nowait(self, message: Any) -> None:
        if message["type"] == "websocket.disconnect":
            self._session.gone()
        elif message["type"] == "websocket.receive":
            self._session.received(message["text"] if "text" in message else message["bytes"])


class TimedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, which aborts a peer that neither reads nor answers pings.

    ASGI lets a session begin and end. In between it is this protocol's ``Socket``: messages go to the session as they
    come, and its frames to the transport. ASGI's ways cost a task's wakeup and two system calls a message.

    A ping queues behind the pictures that were sent before it, so on a slow link its answer may take longer than the
    ping timeout. While pictures are waiting, their progress is the sign of life instead.
    """

    _waited = False
    """True if writing was paused since the last ping."""
    full = False
    """True while the peer has not read what was written."""
    _session: WebSocketSession | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._patience = Patience(transport, (self.ping_interval or 0) + (self.ping_timeout or 0))
        self._control = TokenBucket(MAX_CONTROL)
        self._messages = TokenBucket(MAX_MESSAGES, burst_s=1.0)
        self._whole = 0
        """Messages that came so far."""
        self._late: asyncio.TimerHandle | None = None
        self._unheard = 0

    def connection_lost(self, exc: Exception | None) -> None:
        self.app_state[CONNECTION].gone()
        self._patience.end()
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.close_sent:
            self._unheard += len(data)
            if self._unheard - len(data) <= UNHEARD < self._unheard:  # it only writes: it had time to read why
                self.transport.pause_reading()
                self.loop.call_later(REASON_S, self.transport.abort)
            if self._unheard > PIECE or self.conn.parser_exc is not None:  # not the peer's own close, or not any more
                return
        if self._session is not None and not self._in_part and not (data := self._take_whole(data)):
            return
        start, parting = 0, self.close_sent
        while start < len(data):
            # An answer to our close may come behind what the peer was sending. What stands behind a refusal goes.
            if start and (self.close_sent != parting or self.transport.is_closing()):
                return
            size = min(max(LEAST, len(self.conn.reader.buffer)), PIECE)
            super().data_received(data[start : start + size])
            start += size
        if self.conn.handshake_exc is not None and not self.handshake_initiated and not self.close_sent:
            self._refuse_handshake(self.conn.handshake_exc)
        if self._late is None and self._in_part:
            self._late = self.loop.call_later(self._message_s, self._check_whole, self._whole)

    @property
    def _in_part(self) -> bool:
        """True while a part of a message waits for the rest."""
        return bool(self.frames or self.conn.reader.buffer)

    @property
    def _message_s(self) -> float:
        return (self.ping_interval or 0) + (self.ping_timeout or 0)

    def _check_whole(self, before: int) -> None:
        """End a peer that has completed no message since ``before`` and still has one in part."""
        self._late = None
        if self._in_part and self._whole == before:
            self._refuse(1008, f"a message that was not whole after {self._message_s:g} s")
        elif self._in_part and not self.close_sent:
            self._late = self.loop.call_later(self._message_s, self._check_whole, self._whole)

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            cast("dict[str, Any]", self.scope["extensions"])[SOCKET] = self
        if not event.path.startswith("/ws/camera/"):
            self.conn.max_message_size = MAX_TEXT_MESSAGE

    def _refuse_handshake(self, error: Exception) -> None:
        """Answer a handshake that the library could not read, such as one with a body. uvicorn would say nothing."""
        if not (answer := b"".join(self.conn.data_to_send())):
            why = f"Failed to open a WebSocket connection: {error.__cause__ or error}.\n"
            answer = self.conn.reject(400, why).serialize()
        self.handshake_complete = self.close_sent = True
        self.transport.write(answer)
        self.transport.close()

    def _take_whole(self, data: bytes) -> bytes:
        """Give the session the messages that came whole and in one frame, as nearly all do. The rest is the library's.

        The library takes twice as long, because it is ready for a frame that begins or ends anywhere.
        """
        at, end, most = 0, len(data), self.conn.max_message_size or 0
        while end - at >= SHORTEST and data[at] in (WHOLE_TEXT, WHOLE_BINARY) and not self.close_sent:
            size, begin = data[at + 1] - MASKED, at + SHORTEST
            if size == TWO_BYTES:
                size, begin = int.from_bytes(data[at + 2 : at + 4], "big"), begin + 2
            elif size == EIGHT_BYTES:
                break
            if not 0 <= size <= min(most, end - begin):
                break
            self._take(apply_mask(data[begin : begin + size], data[begin - 4 : begin]), text=data[at] == WHOLE_TEXT)
            at = begin + size
        return data[at:]

    # For the session: see ``Socket``

    def attach(self, session: WebSocketSession) -> None:
        """Have the session called from now on; first with what came since the handshake."""
        to_session, came = _ToSession(session), self.queue
        self.queue = cast("asyncio.Queue[Any]", to_session)
        self._session = session
        del self.request, self.response  # 3 KB of headers, which the scope has again
        while not came.empty():
            to_session.put_nowait(came.get_nowait())
        if self.read_paused:
            self.read_paused = False
            self.resume_reading()

    def write(self, frames: bytes) -> None:
        """Send whole frames. Nothing happens where the peer has left."""
        if not (self.close_sent or self.transport.is_closing()):
            self.transport.write(frames)

    def pause_reading(self) -> None:
        """Read no more from the peer. What was read already is still heard."""
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if not self.transport.is_closing():
            self.transport.resume_reading()

    # Messages from the peer

    def send_receive_event_to_app(self) -> None:
        self._take(b"".join(self.frames), text=self.curr_msg_data_type == "text")

    def _take(self, data: bytes, *, text: bool) -> None:
        """Give a message to the session, within its limits. One that came before there is a session has to wait."""
        self._whole += 1
        self.frames = []
        try:
            message = data.decode() if text else data
        except UnicodeDecodeError:
            self._refuse(1007, "text that is not UTF-8")
            return
        if not self._messages.take():
            self._refuse(1008, f"more than {MAX_MESSAGES} messages a second")
        elif self._session is not None:
            self._session.received(message)
        else:
            self.frames = [data]
            super().send_receive_event_to_app()

    def handle_cont(self, event: Frame) -> None:
        if len(self.frames) >= MAX_FRAGMENTS:
            self._refuse(1009, f"a message of more than {MAX_FRAGMENTS} fragments")
        elif not self.close_sent:
            super().handle_cont(event)

    def handle_text(self, event: Frame) -> None:
        if not self.close_sent:
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        if not self.close_sent:
            super().handle_bytes(event)

    def handle_ping(self) -> None:
        if not self._control.take():
            self._refuse(1008, f"more than {MAX_CONTROL:g} pings a second")
        elif not self.close_sent:
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if not self._control.take():
            self._refuse(1008, f"more than {MAX_CONTROL:g} pongs a second")
        elif not self.close_sent:
            super().handle_pong(event)

    def handle_close(self, event: Frame) -> None:
        """Answer a close. What the peer sent after it must not reset the connection before it has read the answer."""
        if self.close_sent or self.transport.is_closing() or not self.transport.can_write_eof():
            super().handle_close(event)
        else:
            self._part()

    def _refuse(self, code: int, reason: str) -> None:
        """Close with a reason, without waiting for the peer to agree. A peer that is closing needs none."""
        if not self.close_sent and self.conn.state is State.OPEN:
            log.info("%s:%s closed: %s", *(self.client or ("?", 0)), reason)
            self.frames = []
            self.conn.send_close(code, reason)
            self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Close for a fault of the peer's. Closing with bytes unread would reset the connection and lose why."""
        if not (self.close_sent or self.conn.close_sent is None or self.transport.is_closing()):
            self._part()

    def _part(self) -> None:
        """Send the close frame and read on for a moment."""
        closing = self.conn.close_rcvd or self.conn.close_sent
        assert closing is not None
        self.queue.put_nowait({"type": "websocket.disconnect", "code": closing.code, "reason": closing.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        halves = self.transport.can_write_eof()
        if halves:
            self.transport.write_eof()
        self.close_timer = self.loop.call_later(FAREWELL_S if halves else REASON_S, self.transport.abort)

    def pause_writing(self) -> None:
        self.full = self._waited = True
        self._patience.begin()
        super().pause_writing()

    def resume_writing(self) -> None:
        self.full = False
        self._patience.end()
        super().resume_writing()
        if self._session is not None:
            self._session.changed()

    def send_keepalive_ping(self) -> None:
        self._waited = self.full
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        if self._waited:
            self._waited = self.full
            self.pong_timer = self.loop.call_later(self.ping_timeout or 0, self.keepalive_timeout)
        else:
            self.transport.abort()

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        if self.close_sent and message["type"] == "websocket.send":  # uvicorn would report an error of ours
            raise ClientDisconnected
        await super().send(message)
        if message["type"] == "websocket.http.response.body":  # uvicorn would report an error of ours
            self.handshake_complete = True

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        # close() waits until everything is sent, which a stalled peer can delay for ever.
        self.loop.call_later(FAREWELL_S, self.transport.abort)
