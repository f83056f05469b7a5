"""``/ws/playback/{stream}``: recorded frames as a viewer gets live ones, at any speed, forth and back."""

from __future__ import annotations

from asyncio import Future, TimerHandle
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from math import isfinite
from typing import TypeAlias

from starlette.websockets import WebSocket

from sightline.core.errors import BadRequest, LimitReached, ProtocolError, SightlineError
from sightline.core.types import T, check_stream_name
from sightline.recordings.bounded import BoundedPlayback
from sightline.recordings.playback import Playback, Shown
from sightline.recordings.shelf import FOLDER
from sightline.settings.settings import Settings, data_folder
from sightline.transports._viewer import Acks, pong
from sightline.transports.websocket.session import (
    WHOLE_TEXT,
    Socket,
    WebSocketSession,
    binary_frame,
    flag,
    framed,
    text_frame,
)
from sightline.wire.json import Reader
from sightline.wire.messages import PlaybackState
from sightline.wire.requests import MOST_STEPS, Ack, Pause, PerformanceStats, Ping, Play, Seek, SetSpeed, Step

SLOWEST, FASTEST = 0.25, 16.0
GAP_S = 5.0
"""Seconds without a frame that are passed over at once, whatever the speed, unless the camera is as slow as that."""
SHORTEST_S = 1 / 30
"""Seconds between two pictures, at least, at more than real time."""
MOST_PLAYBACKS = 32
"""Recordings that are watched at a time. Each keeps a file open."""
MOST_EACH = 16
"""Of those with one token, or from one address where none is asked for: nobody takes all places."""
THREADS = 2

Command: TypeAlias = Ack | Ping | PerformanceStats | Seek | SetSpeed | Play | Pause | Step
Work: TypeAlias = Callable[[Playback], Shown | None]
_read: Reader[Command] = Reader(Ack, Ping, PerformanceStats, Seek, SetSpeed, Play, Pause, Step)


class Player:
    """All that watch recordings: threads in which files are read and decoded, and a limit."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watching: Counter[str] = Counter()
        """How many recordings each one watches."""
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="playback")

    @contextmanager
    def place(self, who: str, stream: str, part: tuple[float, float] | None = None) -> Generator[Playback]:
        """Context of a place in a stream's recordings, for ``who`` watches.

        ``part``: all that it shows of them. Raises LimitReached, BadRequest or NoFolder.
        """
        if self._watching.total() >= MOST_PLAYBACKS:
            raise LimitReached(f"{MOST_PLAYBACKS} recordings are being watched: expected fewer")
        if self._watching[who] >= MOST_EACH:
            raise LimitReached(f"you watch {MOST_EACH} recordings: expected fewer")
        root = data_folder(self._settings) / FOLDER
        check_stream_name(stream)
        place = Playback(root, stream) if part is None else BoundedPlayback(root, stream, *part)
        self._watching[who] += 1
        try:
            yield place
        finally:
            self._watching[who] -= 1
            self._watching += Counter()  # without those who watch none
            self.pool.submit(_alone, Playback.close, place)  # after what may still be read there

    def close(self) -> None:
        """Let the threads end."""
        self.pool.shutdown(wait=True, cancel_futures=False)


def _alone(work: Callable[[Playback], T], place: Playback) -> T:
    with place.lock:
        return work(place)


async def play(
    ws: WebSocket,
    socket: Socket,
    player: Player,
    who: str,
    stream: str,
    part: tuple[float, float] | None = None,
    watch: Callable[[Callable[[SightlineError], None]], Callable[[], None]] | None = None,
) -> None:
    """Serve one who watches a recording. Raises the error that ended the session.

    ``part``: all that is shown of it. ``watch``: gets what ends the session, and returns what cancels that.
    """
    since = _number(ws, "from", 0.0, 0.0, 1e11)
    speed = _number(ws, "speed", 1.0, SLOWEST, FASTEST)
    playing = flag(ws, "play", default=True)
    with player.place(who, stream, part) as place:
        session = PlaybackSession(socket, player.pool, place, since, speed, playing=playing)
        unwatch = None if watch is None else watch(session.fail)
        try:
            await session.run()
        finally:
            if unwatch is not None:
                unwatch()


def _number(ws: WebSocket, name: str, otherwise: float, least: float, most: float) -> float:
    text = ws.query_params.get(name)
    try:
        value = otherwise if text is None else float(text)
    except ValueError:
        value = float("nan")
    if not (isfinite(value) and least <= value <= most):
        raise BadRequest(f"{name}={(text or '')[:20]}: expected a number from {least:g} to {most:g}")
    return value


class PlaybackSession(WebSocketSession):
    """One who watches a recording. A frame is made whenever its time has come and there is room.

    At most one is in the making. What is asked for meanwhile waits: of several places only the last one counts.
    """

    def __init__(
        self, socket: Socket, pool: ThreadPoolExecutor, place: Playback, since: float, speed: float, *, playing: bool
    ) -> None:
        super().__init__(socket)
        self._pool, self._place = pool, place
        self._speed, self._playing = speed, playing
        self._acks = Acks()
        self._wish: Seek | Step | None = Seek(at=since)
        self._making: Future[Shown | None] | None = None
        self._timer: TimerHandle | None = None
        self._asked = 0
        """Number of the last command that went to another place, as the viewer counts."""
        self._at = since
        self._next_at: float | None = since
        self._usual_s = 0.0
        self._earliest = 0.0
        """The loop's time before which no other picture is made."""
        self._anchor = (since, self.loop.time())
        """A time of the recording, and the loop's time at which it was shown."""

    def hear(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            raise ProtocolError(f"binary message of {len(data)} bytes: expected only text from a viewer")
        message = _read(data)
        if isinstance(message, Ping):
            self.say(text_frame(pong(message)))
        elif isinstance(message, Ack):
            if message.seq is not None:
                self._acks.acknowledge(message.seq)
        elif isinstance(message, Seek):
            self._wish = message
        elif isinstance(message, Step):
            before = self._wish.frames if isinstance(self._wish, Step) else 0
            self._wish = Step(frames=max(-MOST_STEPS, min(MOST_STEPS, before + message.frames)), id=message.id)
            self._go(playing=False)
        elif isinstance(message, SetSpeed):
            self._speed = message.x
            self._go(playing=self._playing)
        elif isinstance(message, (Play, Pause)):
            self._go(playing=isinstance(message, Play))
        self.push()

    def push(self) -> None:
        if self._making is not None or not (self._acks.room and self.room):
            return
        if isinstance(self._wish, Seek):
            wish, self._wish = self._wish, None
            self._make(lambda place: place.seek(wish.at), wish)
        elif isinstance(self._wish, Step):
            step, self._wish = self._wish, None
            self._make(lambda place: place.step(step.frames), step)
        elif self._playing:
            self._play_on()

    def _go(self, *, playing: bool) -> None:
        """Play or pause from the present place on, at the present speed."""
        self._playing = playing
        self._anchor = (self._at, self.loop.time())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell("playing" if playing else "paused")

    def _play_on(self) -> None:
        """Make the next picture, or wait for its time."""
        at, shown_at = self._anchor
        now = self.loop.time()
        due = now
        if self._next_at is not None:
            if self._next_at - self._at > max(GAP_S, self._usual_s):
                self._tell("gap", until=self._next_at)
                self._anchor = at, shown_at = self._next_at, now
                self._at = self._next_at
            due = max(shown_at + (self._next_at - at) / self._speed, self._earliest)
        if due > now + 0.001:
            if self._timer is None:
                self._timer = self.loop.call_at(due, self._is_due)
            return
        until = at + (now - shown_at) * self._speed
        self._make(lambda place: place.advance(until), None)

    def _is_due(self) -> None:
        self._timer = None
        self.changed()

    def _make(self, work: Work, wish: Seek | Step | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._making = self.loop.run_in_executor(self._pool, _alone, work, self._place)
        self._making.add_done_callback(partial(self._made, wish, self.loop.time()))

    def _made(self, wish: Seek | Step | None, began: float, made: Future[Shown | None]) -> None:
        self._making = None
        if made.cancelled() or self.ended.done():
            return
        if (error := made.exception()) is not None:
            self.fail(error)
            return
        shown = made.result()
        if wish is not None:
            self._asked = wish.id
        if shown is not None:
            self._earliest = began + SHORTEST_S if self._speed > 1 else 0.0
            self._send(shown)
            if wish is not None:
                self._anchor = (shown.at, self.loop.time())
        elif not isinstance(wish, Step):  # before the first frame there is none, and one stays there
            self._next_at, self._playing = None, False
            self._tell("end" if wish is None else "empty")
        self.changed()

    def _send(self, shown: Shown) -> None:
        self._at, self._next_at, self._usual_s = shown.at, shown.next_at, shown.usual_s
        message = shown.message[:-1] + b',"place":%d}' % self._asked
        self._acks.sent(shown.seq)
        self.socket.write(framed(WHOLE_TEXT, message) + binary_frame(shown.data))

    def _tell(self, state: str, until: float | None = None) -> None:
        self.say(text_frame(PlaybackState(state=state, at=self._at, speed=self._speed, until=until)))
