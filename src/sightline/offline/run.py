"""A source through a model into sinks, without a server.

Reading, the model and writing each have a thread, with a few pictures between them: the slowest sets the pace, which
is the model, and memory stays what it is however long the source.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sightline.analytics.base import Pipeline
from sightline.analytics.rules.board import RuleBoard
from sightline.analytics.zones.board import ZoneBoard
from sightline.core.mailbox import Pipe
from sightline.core.predictions import Prediction
from sightline.core.types import Frame, FrameResult
from sightline.inference.result import make_result
from sightline.models.base import Model
from sightline.renderers.base import AUTO, choose, draw
from sightline.settings.stream import STEADY, UNTRACKED, Tracking
from sightline.sinks.base import Entry, Sink, tell
from sightline.sources.base import Shot, Source

AHEAD = 4
"""Pictures that may wait at each hand-off."""
STUCK_S = 5.0
"""Seconds after which a reader that has not ended, such as one of a camera that hangs, is left behind."""


@dataclass(slots=True)
class Tally:
    """Figures of a run so far. Their memory does not grow."""

    frames: int = 0
    """Frames written to all sinks."""
    skipped: int = 0
    """Frames left out because the model was busy."""
    model_ms: float = 0.0
    """Milliseconds of the model, summed over all frames."""
    seen: Counter[str] = field(default_factory=Counter)
    """Number of frames by the name of a class found in them."""
    most: Counter[str] = field(default_factory=Counter)
    """Most objects of a class in one frame, by its name."""
    instead: str | None = None
    """Reason why pictures are drawn in another mode than was asked for; None where they are not."""
    _by_ms: Counter[int] = field(default_factory=Counter)

    def add(self, result: FrameResult, model_ms: float) -> None:
        """Count one result."""
        self.frames += 1
        self.model_ms += model_ms
        self._by_ms[round(math.log(max(model_ms, 0.01), 1.01))] += 1
        here = Counter(row.class_name for row in result.detections)
        here.update(s.class_name for s in result.segments if s.class_name != "background")
        self.seen.update(here.keys())
        self.most |= here

    def percentile(self, share: float) -> float:
        """Return the milliseconds of the model under which ``share`` of the frames stayed, to 1 %."""
        left = share * self.frames
        for step in sorted(self._by_ms):
            left -= self._by_ms[step]
            if left <= 0:
                return float(1.01**step)
        return 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Read:
    shot: Shot
    seq: int
    decode_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class _Predicted:
    read: _Read
    prediction: Prediction
    stages: dict[str, float]
    model_ms: float


class Run:
    """One pass over a source. Call ``go`` once; ``tally`` can be read meanwhile and after it has failed, too."""

    def __init__(
        self,
        source: Source,
        model: Model,
        sinks: Sequence[Sink],
        *,
        stream: str,
        latest: bool,
        mode: str = AUTO,
        opacity: float | None = None,
        stages: Sequence[str] = (),
        tracking: Tracking = UNTRACKED,
        zones: ZoneBoard | None = None,
        rules: RuleBoard | None = None,
        shown: frozenset[int] | None = None,
    ) -> None:
        """``latest``: take the source at its own pace and skip what the model can't keep up with.

        ``mode`` and ``opacity``: how to draw for the sinks that want it drawn, see ``renderers.base.draw``.
        ``stages``: the steps after the model, by name, besides what ``tracking`` asks for. ``zones``: what counts, and
        has counted in the end. ``rules``: what follows them. ``shown``: the classes that results tell of; None for all.
        """
        self.tally = Tally()
        self._source = source
        self._model = model
        self._sinks = sinks
        self._stream = stream
        boards = {name: board for name, board in (("zones", zones), ("rules", rules)) if board is not None}
        steady = () if source.images else (STEADY,)  # pictures that have nothing to do with each other
        names = dict.fromkeys((*steady, *tracking.with_tracks(stages), *boards))
        options = {name: {"board": board} for name, board in boards.items()}
        self._pipeline = Pipeline.of(names, tracking.stage_options(itertools.count(1)) | options)
        self._latest, self._shown = latest, shown
        self._mode = mode
        self._opacity = opacity
        self._read: Pipe[_Read] = Pipe(1 if latest else max(AHEAD, model.max_batch), newest_wins=latest)
        self._predicted: Pipe[_Predicted] = Pipe(AHEAD)
        self._written = threading.Event()
        self._errors: list[BaseException] = []
        self._left_out: Counter[str] = Counter()

    def go(self, stop: Callable[[], bool], progress: Callable[[], None]) -> None:
        """Run until the source ends or ``stop`` says so; what the model has done by then is written.

        The model runs in the calling thread. Raises what a source, the model or a sink raised, with the sinks closed;
        so with KeyboardInterrupt.
        """
        reader = threading.Thread(target=self._guarded, args=(self._read_all,), name="source", daemon=True)
        writer = threading.Thread(target=self._keep_sinks, name="sinks", daemon=True)
        reader.start()
        writer.start()
        try:
            self._guarded(lambda: self._predict_all(stop, progress))
        finally:
            self._read.close()
            self._predicted.end()
            self._guarded(lambda: reader.join(STUCK_S))
            self._wait_for_writer()
        if self._errors:
            raise self._errors[0]

    def _keep_sinks(self) -> None:
        """Write, and close the sinks. All of it in one thread: an encoder that two of them use hangs for good."""
        self._guarded(self._write_all)
        for sink in self._sinks:
            self._guarded(sink.close)
        self._written.set()

    def _wait_for_writer(self) -> None:
        """Wait until the sinks are closed.

        Who interrupts, with a second Ctrl-C, waits for one frame more. Python takes a thread for ended whose ``join``
        was interrupted.
        """
        while not self._written.is_set():
            try:
                self._written.wait()
            except KeyboardInterrupt as e:
                self._errors.insert(0, e)
                self._predicted.close()

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as e:  # noqa: BLE001 - raised by ``go`` once all threads have ended
            self._errors.append(e)

    def _read_all(self) -> None:
        self._source.lose = self._lose
        shots = iter(self._source)
        begun: float | None = None
        seq = 0
        try:
            while True:
                started = time.perf_counter()
                shot = next(shots, None)
                if shot is None:
                    return
                read = _Read(shot, seq, (time.perf_counter() - started) * 1000)
                if self._latest and not self._source.live:
                    begun = time.monotonic() - shot.timestamp if begun is None else begun
                    time.sleep(max(0.0, begun + shot.timestamp - time.monotonic()))
                if not self._read.put(read):
                    return
                seq += 1
        finally:
            self._read.end()

    def _lose(self, reason: str, count: int) -> None:
        self._left_out[reason] += count

    def _predict_all(self, stop: Callable[[], bool], progress: Callable[[], None]) -> None:
        while not stop():
            batch = self._read.get(self._model.max_batch)
            self.tally.skipped = self._read.dropped + self._left_out["late"]
            progress()
            if batch is None:
                return
            if batch and not all(map(self._predicted.put, self._predict(batch))):
                return

    def _predict(self, batch: list[_Read]) -> list[_Predicted]:
        stages: dict[str, float] = {}
        started = time.perf_counter()
        images = [read.shot.image for read in batch]
        predictions = self._model.predict(images, streams=[self._stream] * len(batch), stages=stages)
        each = (time.perf_counter() - started) * 1000 / len(batch)
        shares = {name: ms / len(batch) for name, ms in stages.items()}
        return [_Predicted(*pair, shares, each) for pair in zip(batch, predictions, strict=True)]

    def _write_all(self) -> None:
        try:
            while (items := self._predicted.get()) is not None:
                for item in items:
                    entry = self._entry(item)
                    for sink in self._sinks:
                        sink.write(entry)
                    self.tally.add(entry.result, item.model_ms)
            ends = self._pipeline.finish("the source is at its end")
            for sink in self._sinks:
                tell(sink, ends)
        finally:
            self._predicted.close()

    def _entry(self, item: _Predicted) -> Entry:
        shot, card = item.read.shot, self._model.card
        at = shot.timestamp if shot.at is None else shot.at
        result = make_result(
            Frame(self._stream, item.read.seq, at, time.monotonic(), shot.image, damaged=shot.damaged),
            item.prediction,
            card,
            self._pipeline,
            stages={"decode": item.read.decode_ms} | item.stages,
            shown=self._shown,
            processing_time_ms=item.read.decode_ms + item.model_ms,
            with_mask=False,
        )
        drawn = None
        if any(sink.wants_drawn for sink in self._sinks):
            self.tally.instead = choose(self._mode, result.prediction, card.labels).why
            drawn = draw(shot.image, result.prediction, card.labels, mode=self._mode, opacity=self._opacity)
        return Entry(result, shot.image, drawn, shot.name, self._source.images)
