"""From requests to what a model is asked, and from its answers to the outcomes of frames: stages, words, masks."""

from __future__ import annotations

import logging
from collections.abc import Sequence, Set
from functools import partial

from sightline.core.errors import FAULTS, told
from sightline.core.predictions import Detections
from sightline.core.types import FrameResult, ModelCard
from sightline.inference.infer import Answer, Ask, Inferred, NotInferred, Same
from sightline.inference.place import Failure, Outcome, Request
from sightline.inference.places.work_thread import WorkThread
from sightline.inference.result import make_result, reuse_result
from sightline.inference.static_scene import LastResults

log = logging.getLogger(__name__)

FEW = 50
"""Objects of which a result is made on the event loop, where the stages are quick."""


class Batch:
    """Requests that a model gets in one go. What is asked and what comes of it is said here, whatever lies between."""

    def __init__(
        self, requests: Sequence[Request], card: ModelCard, last: LastResults | None, gone: Set[str] = frozenset()
    ) -> None:
        """``last``: the results that may be used again, None for none. ``gone``: streams that are forgotten before."""
        self._requests, self._card, self._last = requests, card, last
        for name in gone:
            if last is not None:
                last.forget(name)
        self._earlier = [None if last is None else last.of(one.frame, (card, one.asked)) for one in requests]
        self.asks = [
            Ask(request.frame, request.asked.options, None if earlier is None else earlier.frame.received_at)
            for request, earlier in zip(requests, self._earlier, strict=True)
        ]

    def outcomes(self, answers: Sequence[Answer]) -> list[Outcome]:
        """Return one outcome for each request, in their order. A frame that fails fails alone."""
        return [self._outcome(*one) for one in zip(self._requests, self._earlier, answers, strict=True)]

    async def settled(self, answers: Sequence[Answer], thread: WorkThread) -> list[Outcome]:
        """Return the same, made on the event loop where that is quick, else in a thread."""
        if not all(request.pipeline.quick for request in self._requests) or any(map(_takes_long, answers)):
            return await thread.submit(partial(self.outcomes, answers))
        return self.outcomes(answers)

    def _outcome(self, request: Request, earlier: FrameResult | None, said: Answer) -> Outcome:
        if isinstance(said, NotInferred):
            return Failure(request.frame, said.message)
        try:
            if isinstance(said, Same):
                assert earlier is not None, "only who asks can be told so"
                return self._reused(request, earlier, said)
            result = make_result(
                request.frame,
                said.prediction,
                self._card,
                request.pipeline,
                stages=said.stages,
                shown=request.asked.shown,
                started=said.started,
            )
        except FAULTS as e:  # what the model gave is no prediction
            log.exception("model %s: its prediction can't be used", self._card.name)
            return Failure(request.frame, told(e))
        if self._last is not None:
            self._last.keep(result, (self._card, request.asked))
        return result

    def _reused(self, request: Request, earlier: FrameResult, said: Same) -> FrameResult:
        assert self._last is not None
        kept = self._last.of(request.frame, (self._card, request.asked))
        if kept is not None and kept.frame is earlier.frame:
            earlier = kept  # in which a stage may have changed something since this frame was sent to the model
        result = reuse_result(
            request.frame,
            earlier,
            request.pipeline,
            started=said.started,
            took_ms=said.took_ms,
            shown=request.asked.shown,
        )
        if result.prediction is not earlier.prediction and kept is earlier:
            said_now = earlier.changed(prediction=result.prediction, detections=result.detections)
            self._last.keep(said_now, (self._card, request.asked))
        return result


def _takes_long(answer: Answer) -> bool:
    """Whether making a result of an answer may take long: only few boxes and what is used again are made at once."""
    if not isinstance(answer, Inferred):
        return False
    said = answer.prediction
    return not isinstance(said, Detections) or said.mask is not None or len(said) > FEW
