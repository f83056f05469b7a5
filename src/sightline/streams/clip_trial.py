"""Tries a rule on a clip: the stream's model looks at it beside the live streams, which come first."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

from sightline.analytics.base import Pipeline
from sightline.core.errors import BadRequest, SourceError
from sightline.core.events import Event
from sightline.core.rules import Rule
from sightline.core.turns import Turns
from sightline.core.types import Frame
from sightline.settings.stream import Tracking
from sightline.sources import file
from sightline.sources.base import Shot
from sightline.streams.hub import Hub
from sightline.streams.predictor import Follow, Predictor
from sightline.streams.rule_trial import Trial, boards_for, outcome

MOST_BYTES = 64 << 20
"""Largest clip."""
MOST_S = 120.0
"""Seconds of a clip that are looked at."""
STEP_S = 0.09
"""Least time between two of its pictures: counts and rules need no more."""
PATIENCE_S = 150.0
"""Seconds after which the rest of a clip is left."""


class ClipTrials:
    """Tries rules on clips, one at a time. For the event loop only."""

    def __init__(self, hub: Hub, predictor: Predictor) -> None:
        self._hub = hub
        self._predictor = predictor
        self.turns = Turns(1, "a clip is being looked at: expected one at a time, so try again when that is done")

    async def run(self, stream: str, rule: Rule, clip: Path) -> Trial:
        """Return what a rule of a stream says of a clip. Raises BadRequest or ModelError."""
        live = self._hub.streams.get(stream)
        given = self._hub.settings.streams.get(stream)
        tracking = live.tracking if live is not None else given or Tracking()
        boards = boards_for(rule, self._hub.boards.of(stream), file=True)
        names = (*tracking.with_tracks(()), "zones", "rules")
        pipeline = Pipeline.of(names, tracking.stage_options(itertools.count(1)) | boards.options)
        key, asked = self._hub.model_switch.asked(stream, live)
        events: list[Event] = []
        try:
            with await asyncio.to_thread(file.open_foreign, clip) as source:
                async with self._predictor.following(key, asked) as follow:
                    seconds = await _look(f"clip for {stream}", iter(source), follow, pipeline, events)
        except SourceError as e:
            raise BadRequest(f"{e.message}; expected a video such as MP4 or WebM") from None
        events += pipeline.finish("the clip is at its end")
        return Trial(round(seconds, 1), outcome(events))


async def _look(name: str, shots: Iterator[Shot], follow: Follow, pipeline: Pipeline, events: list[Event]) -> float:
    """Have the model look at a clip's pictures, one after the other. Returns how many seconds these are."""
    begun, last, seq = time.monotonic(), -STEP_S, 0
    while time.monotonic() - begun < PATIENCE_S:
        shot = await asyncio.to_thread(_next, shots, last + STEP_S)
        if shot is None or shot.timestamp > MOST_S:
            break
        frame = Frame(name, seq, shot.timestamp, time.monotonic(), shot.image, damaged=shot.damaged)
        events += (await follow(frame, pipeline)).events
        last, seq = shot.timestamp, seq + 1
    return max(0.0, last)


def _next(shots: Iterator[Shot], least: float) -> Shot | None:
    """Return the next picture that is from this time on."""
    return next((shot for shot in shots if shot.timestamp >= least), None)
