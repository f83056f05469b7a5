"""The contract of stages. A stage is a step after the model, such as a tracker, zones or counts.

A file ``analytics/NAME.py`` is a stage plugin; it has ``create() -> Stage``. Each stream that names it has an instance
of its own, from the arrival of its camera to the arrival of the next. ``create`` may have keyword parameters with
defaults, which settings of a stream give.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec
from msgspec import Struct

from sightline.core import registry
from sightline.core.errors import FAULTS, cancelled
from sightline.core.events import Event
from sightline.core.fence import Fence
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, ModelCard

log = logging.getLogger(__name__)

Options: TypeAlias = "Mapping[str, Mapping[str, Any]]"
"""By a stage's name, what its ``create`` gets beside its own defaults."""
REST_S = 3.0
"""Time without a frame after which what lasts ends: nobody knows any more whether it does."""


class Staged(NamedTuple):
    """A stage's answer for one frame."""

    extras: Struct | None = None
    """Data that goes out with the result under the stage's name."""
    events: tuple[Event, ...] = ()
    prediction: Prediction | None = None
    """The prediction as the next stage gets it, such as with track ids; None where it stays as it was."""


NOTHING = Staged()
"""The answer of a stage that has nothing to say, as to most frames: cheaper than a new one each time."""


class Stage(ABC):
    """One step after the model, for one stream. It is called for one frame at a time, in order, off the event loop.

    Time is the frames' clock (``Frame.captured_at``): frames may be missing, so their number says nothing.
    """

    quick: bool = False
    """True for a stage that never waits and takes some 0.1 ms for a few objects. It may be called on the event loop
    where the objects are few: to hand them to a thread and back would take as long."""

    @abstractmethod
    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        """Take in what the model found in a frame, classes that are not shown included."""

    def touch(self, frame: Frame) -> Staged:
        """Take in a frame in which nothing moved: the last prediction holds for it too.

        A prediction in the answer takes its place from here on; it has the rows of the last one that ``apply`` gave.
        """
        return NOTHING

    def revise(self, prediction: Prediction) -> None:
        """Take the last prediction as an earlier stage gives it anew while nothing moves, such as with ids.

        ``touch`` follows.
        """
        return

    def finish(self, reason: str) -> tuple[Event, ...]:
        """No more frames come for now, for this reason: end what lasts. If frames come again, all begins anew."""
        return ()


class Applied(NamedTuple):
    """The answer of all stages of a stream for one frame."""

    prediction: Prediction
    extras: Mapping[str, Struct]
    events: tuple[Event, ...]


class Pipeline:
    """The stages of one stream, in order. Threads take turns. A stage that raises is left out of that frame alone."""

    def __init__(self, stages: Mapping[str, Stage] | None = None) -> None:
        self._stages = dict(stages or {})
        self._names = tuple(self._stages)
        self._options: Options = {}
        self._lock = threading.Lock()
        self._fence = Fence(log)
        self._ran_at: float | None = None
        """When the stages last ran: ``time.monotonic()``. None where nothing lasts."""

    @classmethod
    def of(cls, names: Iterable[str], options: Options | None = None) -> Pipeline:
        """Make new stages of these names, with what ``create`` is to get. Raises ConfigError for an unknown one."""
        return cls().changed(names, options or {})

    @property
    def failing(self) -> dict[str, str]:
        """Why the stages that failed on the last frame did."""
        return self._fence.failing

    @property
    def quick(self) -> bool:
        """Whether all stages are."""
        return all(stage.quick for stage in self._stages.values())

    def __len__(self) -> int:
        return len(self._stages)

    def renewed(self) -> Pipeline:
        """Make new stages of the same names, which know nothing of earlier frames."""
        return Pipeline.of(self._names, self._options) if self._names else self

    def finish(self, reason: str, after: Pipeline | None = None) -> tuple[Event, ...]:
        """No more frames come, for this reason: end what lasts. A frame that comes nevertheless passes as it is.

        ``after``: the pipeline that takes this one's place. Stages that it has go on in it.
        """
        with self._lock:
            kept = {} if after is None else after._stages
            ended = {name: stage for name, stage in self._stages.items() if kept.get(name) is not stage}
            self._stages = {name: stage for name, stage in self._stages.items() if name not in ended}
            return self._ended(ended, reason)

    def rest(self) -> tuple[Event, ...]:
        """Return the ends of all that lasts where no frame came for a while. The stages stay."""
        with self._lock:
            if self._ran_at is None or time.monotonic() - self._ran_at < REST_S:
                return ()
            self._ran_at = None
            return self._ended(self._stages, "no picture came any more")

    def _ended(self, stages: Mapping[str, Stage], reason: str) -> tuple[Event, ...]:
        events: list[Event] = []
        for name, stage in stages.items():
            try:
                events += _checked(Staged(events=stage.finish(reason))).events
            except FAULTS as e:  # what failed on the last frame stays said
                self._fence.failed(f"stage {name}", e)
        return tuple(events)

    def changed(self, names: Iterable[str], options: Options) -> Pipeline:
        """Return a pipeline of these stages. Those that are here with the same options stay and know what they know.

        Raises ConfigError for a stage that does not exist.
        """
        made = Pipeline()
        made._names, made._options, made._lock, made._ran_at = tuple(names), options, self._lock, self._ran_at
        for name in made._names:
            plugin, given = registry.load("analytics", name), options.get(name, {})
            kept = self._stages.get(name) if given == self._options.get(name, {}) else None
            with made._fence.around(f"stage {name}"):
                made._stages[name] = plugin.create(**given) if kept is None else kept
        return made

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Applied:
        """Run the stages on a frame that the model has seen."""
        return self._run(frame, prediction, card)

    def touch(self, frame: Frame, prediction: Prediction) -> Applied:
        """Run the stages on a frame in which nothing moved. ``prediction`` is that of the frame before."""
        return self._run(frame, prediction, None)

    def _run(self, given: Frame, said: Prediction, card: ModelCard | None) -> Applied:
        """Run the stages on a frame; without a card, one in which nothing moved. Each frame pays for each line here."""
        if not self._stages:
            return Applied(said, {}, ())
        now = said
        extras: dict[str, Struct] = {}
        events: tuple[Event, ...] = ()
        with self._lock:
            self._ran_at = time.monotonic()
            for name, stage in self._stages.items():
                try:
                    staged = _call(stage, given, said, now, card)
                except FAULTS as e:
                    if cancelled(e):
                        raise
                    self._fence.failed(f"stage {name}", e, f"stream {given.stream}: ")
                    continue
                if self._fence.any:
                    self._fence.works(f"stage {name}", f"stream {given.stream}: ")
                if staged is NOTHING:
                    continue
                if staged.extras is not None:
                    extras[name] = staged.extras
                events += staged.events
                now = now if staged.prediction is None else staged.prediction
        return Applied(now, extras, events)


def _call(stage: Stage, frame: Frame, said: Prediction, now: Prediction, card: ModelCard | None) -> Staged:
    """Have a stage's answer. ``said``: what the first stage got; ``now``: what the ones before this one made of it."""
    if card is not None:
        return _checked(stage.apply(frame, now, card))
    if now is not said:
        stage.revise(now)
    return _checked(stage.touch(frame))


def _checked(staged: Staged) -> Staged:
    """Return a stage's answer. Raises TypeError for one that can't be sent on: it would cost those who send it."""
    if staged is NOTHING:
        return staged
    if not isinstance(staged, Staged):
        raise TypeError(f"a stage's answer of type {type(staged).__name__}: expected Staged")
    extras, events, prediction = staged.extras, staged.events, staged.prediction
    if extras is None and events == () and prediction is None:
        return NOTHING
    if extras is not None and not isinstance(extras, Struct):
        raise TypeError(f"extras of type {type(extras).__name__}: expected a msgspec.Struct")
    if not all(isinstance(event, Event) for event in events):
        raise TypeError("events that are none: expected sightline.Event")
    if prediction is not None and not isinstance(prediction.objects, Detections):
        raise TypeError(f"a prediction with objects of type {type(prediction.objects).__name__}")
    if extras is not None or events:
        msgspec.json.encode((extras, events))
    return staged
