"""Results of single pictures, beside the live streams: for who posts a picture and waits for its answer.

To a model, all such pictures together are one more feed, of the lowest priority: it takes them while no stream waits,
and one whenever the feed has waited for half a second. None replaces another, as each has somebody who waits for it.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeAlias
from weakref import WeakValueDictionary

from sightline.analytics.base import Pipeline
from sightline.core.errors import BadImage, BadSetting, ModelError, ProtocolError, TooLarge
from sightline.core.metrics import Ledger
from sightline.core.turns import Turns
from sightline.core.types import Frame, FrameResult, Image
from sightline.inference.key import ModelKey
from sightline.inference.place import InferenceOptions, Request
from sightline.inference.pool import ModelPool
from sightline.inference.worker import ModelWorker
from sightline.media import heif
from sightline.media.pictures import decode_picture
from sightline.settings.settings import Settings
from sightline.streams.model_switch import ModelSwitch, class_ids

MOST_ASKING = 16
"""Requests that are read and answered at a time."""
MOST_DECODED = 4
"""Pictures that are held as pixels at a time; the largest have 50 MB."""
PATIENCE_S = 60.0
"""Seconds within which a request has its results, or fails. A model that is not loaded yet is loaded meanwhile."""
Ask: TypeAlias = Callable[[bytes], Awaitable[FrameResult]]
"""Has a model look at a picture file. Raises BadImage, TooLarge or ModelError."""
Follow: TypeAlias = Callable[[Frame, Pipeline], Awaitable[FrameResult]]
"""Has a model look at a frame, and stages after it. Raises ModelError."""
LOWEST = -101
"""A priority below that of any stream."""


class PictureFeed:
    """The pictures that wait for one model, oldest first. The model has one of them at a time."""

    name = "posted pictures"  # no stream can have this name
    priority = LOWEST

    def __init__(self, worker: ModelWorker, ledger: Ledger) -> None:
        self.worker = worker
        self._ledger = ledger
        self._waiting: dict[Frame, Request] = {}
        self._in_work: set[Frame] = set()
        self._answers: dict[Frame, asyncio.Future[FrameResult]] = {}

    @property
    def in_flight(self) -> int:
        """Pictures that wait or are with the model."""
        return len(self._waiting) + len(self._in_work)

    async def result(self, request: Request) -> FrameResult:
        """Have the model process a picture. Raises ModelError."""
        frame = request.frame
        answer: asyncio.Future[FrameResult] = asyncio.get_running_loop().create_future()
        self._answers[frame] = answer
        self._ledger.received += 1
        self._waiting[frame] = request
        if self.in_flight == 1:
            self.worker.join(self, time.monotonic())
        try:
            return await answer
        finally:
            del self._answers[frame]
            if frame in self._waiting:  # who asked no longer waits
                self._drop(frame)
                self._go_on()

    # From the worker's side: see Feed

    def take(self) -> Request | None:
        """Hand over the picture that waits longest."""
        if not self._waiting:
            return None
        frame = next(iter(self._waiting))
        self._in_work.add(frame)
        return self._waiting.pop(frame)

    def deliver(self, result: FrameResult) -> None:
        """Give a picture's result to who asked."""
        self._ledger.delivered += 1
        self._finish(result.frame, lambda answer: answer.set_result(result))

    def fail(self, frame: Frame, message: str) -> None:
        """Tell who asked that there is no result."""
        self._ledger.failed += 1
        error = ModelError(f"the model failed on the picture: {message}")
        self._finish(frame, lambda answer: answer.set_exception(error))

    def give_back(self, frame: Frame) -> None:
        """The model ended. It will take none of those that wait either."""
        for given_up in (frame, *self._waiting):
            self._drop(given_up)
            if (answer := self._answers.get(given_up)) is not None and not answer.done():
                answer.set_exception(ModelError("the model ended before it had looked at the picture"))

    def put_back(self, frame: Frame) -> bool:
        """Who asked for one picture is told at once that its place is out."""
        return False

    def _finish(self, frame: Frame, tell: Callable[[asyncio.Future[FrameResult]], None]) -> None:
        self._in_work.discard(frame)
        self._go_on()
        if (answer := self._answers.get(frame)) is not None and not answer.done():
            tell(answer)

    def _drop(self, frame: Frame) -> None:
        self._waiting.pop(frame, None)
        self._in_work.discard(frame)
        self._ledger.dropped["closed"] += 1

    def _go_on(self) -> None:
        if self._waiting and not self._in_work:
            self.worker.wake(self)
        elif not self.in_flight:
            self.worker.leave(self)


class Predictor:
    """Has models look at single pictures. For the event loop only."""

    def __init__(self, settings: Settings, pool: ModelPool, switch: ModelSwitch) -> None:
        self.ledger = Ledger()
        self._settings = settings
        self._pool = pool
        self._switch = switch
        self.turns = Turns(MOST_ASKING, f"{MOST_ASKING} requests with pictures are under way: expected fewer at a time")
        self._decoded = asyncio.Semaphore(MOST_DECODED)
        self._feeds: WeakValueDictionary[ModelWorker, PictureFeed] = WeakValueDictionary()
        self._number = itertools.count()

    @property
    def in_flight(self) -> int:
        """Pictures that wait or are with a model."""
        return sum(feed.in_flight for feed in self._feeds.values())

    @asynccontextmanager
    async def asking(
        self, model: str | None, confidence: float | None, classes: Sequence[int | str] | None
    ) -> AsyncGenerator[Ask]:
        """Hold a model, the server's own by default, and give the function that has it look at a picture.

        Raises BadSetting for a wrong choice, LimitReached or ModelError where the model can't be had or has not
        answered in time.
        """
        key = self._switch.offers.key({} if model is None else {"model": model})
        try:
            async with asyncio.timeout(PATIENCE_S), self._pool.holding(key, asyncio.Event()) as one:
                loaded = one.worker.model
                assert loaded is not None
                if loaded.remembers:
                    raise BadSetting.of("model", key.name, "one that can look at a picture by itself, without a stream")
                options = self._switch.defaults.options
                if confidence is not None:
                    options = replace(options, confidence=confidence)
                shown = None if classes is None else class_ids(classes, loaded.card, strict=True)
                feed = self._feeds.setdefault(one.worker, PictureFeed(one.worker, self.ledger))
                yield partial(self._ask, feed, InferenceOptions(options, shown))
        except TimeoutError:
            raise ModelError(f"the model has not answered within {PATIENCE_S:g} s") from None

    @asynccontextmanager
    async def following(self, key: ModelKey, asked: InferenceOptions) -> AsyncGenerator[Follow]:
        """Hold a model, and give the function that has it look at one frame after the other of something that moves.

        Raises LimitReached or ModelError where the model can't be had.
        """
        names: set[str] = set()
        async with self._pool.holding(key, asyncio.Event()) as one:
            feed = self._feeds.setdefault(one.worker, PictureFeed(one.worker, self.ledger))

            async def follow(frame: Frame, pipeline: Pipeline) -> FrameResult:
                names.add(frame.stream)
                return await feed.result(Request(frame, asked, pipeline))

            try:
                yield follow
            finally:
                for name in names:
                    one.worker.forget(name)

    async def _ask(self, feed: PictureFeed, asked: InferenceOptions, data: bytes) -> FrameResult:
        """Raises BadImage, TooLarge or ModelError."""
        async with self._decoded:
            try:
                image = await asyncio.to_thread(self._decode, data)
            except ProtocolError as e:
                self.ledger.received += 1
                self.ledger.dropped[e.code] += 1
                raise
            number = next(self._number)
            frame = Frame(f"posted picture {number}", number, time.time(), time.monotonic(), image)
            try:
                return await feed.result(Request(frame, asked, Pipeline()))
            finally:
                feed.worker.forget(frame.stream)

    def _decode(self, data: bytes) -> Image:
        if not (data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or data[8:12] == b"WEBP"):
            if heif.is_heic(data[:64]):
                raise BadImage(heif.ADVICE)
            raise BadImage(f"expected a JPEG, PNG or WebP picture, got {data[:40]!r}" if data else "expected a picture")
        if len(data) > self._settings.max_message_bytes:
            raise TooLarge(f"picture of {len(data)} bytes: expected at most {self._settings.max_message_bytes}")
        return decode_picture(data, max_pixels=self._settings.max_pixels).image
