"""Pictures made for viewers, with everything drawn in or as they came: each once, whoever asks, off the event loop."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import Field, WithJsonSchema

from sightline.core.errors import FAULTS, BadRequest, LimitReached, RenderError, SightlineError, told
from sightline.core.fence import Fence
from sightline.core.types import Encoded, Frame, FrameResult
from sightline.media import codecs
from sightline.renderers.base import AUTO, choose, default_opacity, draw, modes

log = logging.getLogger(__name__)

SMALL_QUALITY = 70
"""Most quality of a small picture's JPEG."""
STEP = 5
"""Step of opacity in percent, so that pictures of a frame can differ in a few ways only, however many ask."""
MOST_LOOKS = 8
"""Ways in which a stream is drawn at a time for those who watch: each takes the time of all others."""


Mode: TypeAlias = Annotated[
    Annotated[str, WithJsonSchema({"type": "string", "enum": modes()})] | None,
    Field(description="How to draw: see the gallery. Default: auto."),
]
Opacity: TypeAlias = Annotated[
    Annotated[str, WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100})] | None,
    Field(description="Percent. Default: the mode's own."),
]
"""Both as a query has them: ``Look.of`` reads them."""


class Look(NamedTuple):
    """A wish how pictures are drawn."""

    mode: str = AUTO
    opacity: int | None = None
    """Opacity in percent, in steps of 5; None for the mode's own."""

    @classmethod
    def of(cls, mode: str | None, opacity: str | None) -> Look:
        """Read a query's ``mode`` and ``opacity``. Raises BadRequest with what is allowed."""
        known = modes()
        if mode is not None and mode not in known:
            raise BadRequest(f"mode={mode[:40]}: expected one of {', '.join(known)}")
        if opacity is None:
            return cls(mode or AUTO)
        try:
            percent = float(opacity)
        except ValueError:
            percent = -1.0
        if not 0 <= percent <= 100:
            raise BadRequest(f"opacity={opacity[:40]}: expected a number from 0 to 100, percent")
        return cls(mode or AUTO, round(percent / STEP) * STEP)

    def on(self, result: FrameResult) -> Look:
        """Return the look that is really drawn of a result, the same for all looks that come to the same."""
        mode = choose(self.mode, result.prediction, result.card.labels).name
        return Look(mode, round(default_opacity(mode) * 100) if self.opacity is None else self.opacity)


def too_many_looks(stream: str) -> LimitReached:
    """Return the error for one more way to draw a stream."""
    return LimitReached(f"stream {stream!r} is drawn in {MOST_LOOKS} ways: expected one of these, or a later try")


class Onlooker:
    """One who watches a stream by a look, which may change."""

    def __init__(self, looks: Counter[tuple[str, Look]], stream: str, look: Look) -> None:
        """``looks``: how many watch each stream by each look. Raises LimitReached for one look too many."""
        self._looks, self._stream = looks, stream
        self._watch(look)

    def _watch(self, look: Look) -> None:
        new = (self._stream, look) not in self._looks
        if new and sum(name == self._stream for name, _ in self._looks) >= MOST_LOOKS:
            raise too_many_looks(self._stream)
        self._looks[self._stream, look] += 1
        self._look = look

    def change(self, look: Look) -> None:
        """Watch by another look. Raises LimitReached, and then nothing has changed."""
        before = self._look
        self.leave()
        try:
            self._watch(look)
        except LimitReached:
            self._watch(before)
            raise

    def leave(self) -> None:
        """Watch no more."""
        self._looks[self._stream, self._look] -= 1
        if not self._looks[self._stream, self._look]:
            del self._looks[self._stream, self._look]


class Drawing:
    """A small pool of threads that draws results and makes JPEGs."""

    def __init__(self, quality: int) -> None:
        self._quality = quality
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="drawing")
        self._fence = Fence(log)
        self._told: set[tuple[str, str]] = set()
        self._looks: Counter[tuple[str, Look]] = Counter()
        """How many watch each stream by each look."""

    @contextmanager
    def watched(self, stream: str, look: Look) -> Generator[Onlooker]:
        """Context of one who watches a stream by a look. Raises LimitReached."""
        onlooker = Onlooker(self._looks, stream, look)
        try:
            yield onlooker
        finally:
            onlooker.leave()

    async def jpeg(self, result: FrameResult, look: Look) -> bytes:
        """Return the frame with its boxes or mask burned in, as a JPEG of the frame's height."""
        self._tell(result, look)
        real = look.on(result)
        loop = asyncio.get_running_loop()
        drawing = partial(loop.run_in_executor, self._pool, self._draw, result, real)
        drawn = result.once(("drawn", real), drawing)
        return await asyncio.shield(drawn)  # one viewer's leaving must not cancel the others' picture

    async def small(self, result: FrameResult, longest: int) -> bytes:
        """Return the frame with everything drawn in, as a JPEG with a longer side of at most ``longest`` pixels."""
        loop = asyncio.get_running_loop()
        drawing = partial(loop.run_in_executor, self._pool, self._draw, result, Look().on(result), longest)
        return await asyncio.shield(result.once(("small", longest), drawing))

    async def plain(self, result: FrameResult) -> bytes:
        """Return the frame as a JPEG: the publisher's own, where it sent one."""
        if isinstance(result.frame.image, Encoded):
            return codecs.whole(result.frame.image)
        return await asyncio.shield(result.once("jpeg", lambda: asyncio.create_task(self.picture(result.frame))))

    async def picture(self, frame: Frame) -> bytes:
        """Return a frame as a JPEG."""
        if isinstance(frame.image, Encoded):
            return codecs.whole(frame.image)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, codecs.encode_jpeg, frame.image, frame.quality)

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, result: FrameResult, look: Look) -> None:
        """Log, once for each mode and model, that another mode is drawn than was asked for."""
        why = choose(look.mode, result.prediction, result.card.labels).why
        if why is not None and (result.card.name, look.mode) not in self._told:
            self._told.add((result.card.name, look.mode))
            log.warning("model %s: %s", result.card.name, why)

    def _draw(self, result: FrameResult, look: Look, longest: int | None = None) -> bytes:
        try:
            drawn = self._drawn(result, look, longest)
        except SightlineError:
            raise
        except FAULTS as e:  # a renderer's fault costs those who look through it
            self._fence.failed(f"mode {look.mode}", e)
            raise RenderError(f"mode {look.mode} can't be drawn: {told(e)}") from None
        self._fence.works(f"mode {look.mode}")
        return drawn

    def _drawn(self, result: FrameResult, look: Look, longest: int | None) -> bytes:
        opacity = None if look.opacity is None else look.opacity / 100
        image = codecs.shrink(codecs.decode(result.frame.image, at_least=longest), longest)
        (width, height), (full_width, full_height) = image.shape[1::-1], result.frame.size
        prediction = result.prediction.scaled(width / full_width, height / full_height)
        drawn = draw(image, prediction, result.card.labels, mode=look.mode, opacity=opacity)
        return codecs.encode_jpeg(drawn, self._quality if longest is None else min(self._quality, SMALL_QUALITY))
