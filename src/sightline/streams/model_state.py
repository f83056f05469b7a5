"""A stream's model, its options, and the changes under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sightline.inference.feed import Feed
from sightline.inference.key import ModelKey
from sightline.inference.place import InferenceOptions
from sightline.inference.worker import ModelWorker
from sightline.wire.messages import Status


@dataclass(frozen=True, slots=True)
class PendingSwitch:
    """A model that a stream waits for."""

    key: ModelKey
    since: float
    """Seconds since 1970."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once nobody waits any more."""


@dataclass(frozen=True, slots=True)
class FailedSwitch:
    """A change of model that came to nothing."""

    key: ModelKey
    message: str
    at: float
    """Seconds since 1970."""


class ModelState:
    """A stream's model. ``ModelSwitch`` decides; this carries it out between two frames."""

    def __init__(self, feed: Feed, worker: ModelWorker, moved: Callable[[], None]) -> None:
        """``moved`` is called when another model takes over."""
        self.worker = worker
        """Has the model."""
        self.options = InferenceOptions()
        """Options for the stream's frames from now on."""
        self.chosen: dict[str, Any] = {}
        """Choices made for the stream. A key that is missing is the server's own. See ``settings.stream``."""
        self.adapted: dict[str, Any] = {}
        """Choices of the controller where nobody else has made one: imgsz, confidence."""
        self.told: Status | None = None
        """State of the model when the stream's peers were last told."""
        self.pending: PendingSwitch | None = None
        self.failed: FailedSwitch | None = None
        self._feed = feed
        self._moved = moved
        self._next: tuple[ModelWorker, InferenceOptions] | None = None
        """The model and options that take over once the old model has given its frame back."""
        self._busy = False

    @property
    def status(self) -> Status:
        """State of the model, for peers: loading, ready or failed."""
        unready = self.worker.unready
        if unready is None:
            return Status(state="ready", message="The model is ready.")
        state = "failed" if self.worker.settled.is_set() else "loading"
        return Status(state=state, message=f"No results yet: {unready}.")

    @property
    def next_worker(self) -> ModelWorker:
        """The stream's model, or the one that is about to take over."""
        return self.worker if self._next is None else self._next[0]

    @property
    def changing(self) -> bool:
        """Whether another model is about to take over: what was found of late is the old one's."""
        return self.next_worker is not self.worker

    @property
    def next_options(self) -> InferenceOptions:
        """Options for the next frame."""
        return self.options if self._next is None else self._next[1]

    def move(self, worker: ModelWorker, options: InferenceOptions) -> None:
        """Have this model from the next frame on: at once, or as soon as the frame is back that the old one has.

        So results stay in order. An old one that is stuck is not waited for. What waits in the slot goes along.
        """
        if self._next is not None and self._next[0] is not self.worker:
            self._next[0].feeds.discard(self._feed)
        self._next = worker, options
        worker.feeds.add(self._feed)  # so that it is not released before the frame is back
        if not self._busy or self.worker.stuck:
            self._take_over()

    def hurry(self) -> None:
        """An old model that has become stuck meanwhile is not waited for any longer."""
        if self.worker.stuck:
            self._take_over()

    def busy(self, now: bool) -> None:
        """Note whether the model has frames of the stream."""
        self._busy = now
        if not now:
            self._take_over()

    def give_up(self) -> None:
        """End the wait for a model of this stream."""
        if self.pending is not None:
            self.pending.over.set()
            self.pending = None

    def leave(self) -> None:
        """The stream ends for good."""
        self.give_up()
        self.worker.leave(self._feed)

    def _take_over(self) -> None:
        if self._next is None:
            return
        (worker, self.options), self._next = self._next, None
        if worker is not self.worker:
            since = self.worker.leave(self._feed)
            self.worker = worker
            self._moved()
            worker.join(self._feed, since)
