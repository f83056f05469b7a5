"""Looks at a camera's pictures, one a second, and tells whether it was covered or moved. Made and used on the loop."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from concurrent.futures import Executor

from sightline.core.errors import BadImage
from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.core.types import Frame
from sightline.inference.static_scene import thumbnail
from sightline.streams.scene.judge import Change, SceneJudge

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Time on the frames' clock between two pictures that are looked at. One takes a few milliseconds of a thread."""


class SceneWatch:
    """Watches over one camera of a stream. It has at most one picture in work."""

    def __init__(self, name: str, emit: Callable[[Event, Frame], None], executor: Executor) -> None:
        """``emit``: takes the events, each with its frame. ``executor``: where pictures are looked at."""
        self._name, self._emit, self._executor = name, emit, executor
        self._judge = SceneJudge()
        """Used in the executor, for one picture at a time."""
        self._fence = Fence(log)
        self._busy = self._over = False
        self._looked_at: float | None = None
        self._frame: Frame | None = None
        """The last frame that was looked at."""
        self._lasts: Event | None = None
        self._prefix, self._number = secrets.token_hex(8), 0

    @property
    def failing(self) -> dict[str, str]:
        """Why the last picture could not be looked at."""
        return self._fence.failing

    def offer(self, frame: Frame) -> None:
        """A frame came: look at it if it is time."""
        soon = self._looked_at is not None and 0 <= frame.captured_at - self._looked_at < EVERY_S
        if soon or self._busy or self._over or frame.damaged:
            return
        self._looked_at, self._busy = frame.captured_at, True
        looking = asyncio.get_running_loop().run_in_executor(self._executor, self._look, frame)
        looking.add_done_callback(lambda done: self._told(frame, done))

    def finish(self, reason: str) -> None:
        """The camera is gone: end what lasts."""
        self._over = True
        if self._lasts is not None and self._frame is not None:
            lasted = max(0.0, self._frame.captured_at - self._lasts.at)
            self._tell(self._frame, Change("end", "covered", reason, round(lasted, 3)))

    def _look(self, frame: Frame) -> list[Change]:
        try:
            picture = thumbnail(frame)
        except BadImage:  # its publisher is told by whoever has to decode it
            return []
        return self._judge.see(frame.captured_at, picture, frame.size)

    def _told(self, frame: Frame, done: asyncio.Future[list[Change]]) -> None:
        self._busy = False
        if self._over or done.cancelled():
            return
        self._frame = frame
        with self._fence.around("the look at its scene", f"stream {self._name}: "):
            for change in done.result():
                self._tell(frame, change)

    def _tell(self, frame: Frame, change: Change) -> None:
        if change.phase == "end":
            assert self._lasts is not None
            start, self._lasts = self._lasts, None
            self._emit(start.ended(frame.captured_at, frame.seq, change.seconds, change.reason), frame)
            return
        self._number += 1
        self._lasts = Event(
            id=f"{self._prefix}-{self._number}",
            stream=self._name,
            phase="start",
            kind="scene",
            at=frame.captured_at,
            seq=frame.seq,
            class_name=change.what,
        )
        self._emit(self._lasts, frame)
