"""Stages: in order, fenced, and the same for frames that were inferred and frames that were not."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from sightline.analytics.base import Pipeline, Stage, Staged
from sightline.analytics.counts import Counts
from sightline.core import registry
from sightline.core.errors import ConfigError
from sightline.core.events import Event
from sightline.core.predictions import Detections, Prediction
from sightline.core.types import Frame, ModelCard

CARD = ModelCard("m", "m", "detect", ("cat", "dog"), None, "-", "-")


def frame(seconds: float) -> Frame:
    return Frame("door", 0, seconds, 0.0, np.zeros((8, 8, 3), np.uint8))


def found(*class_ids: int) -> Detections:
    n = len(class_ids)
    return Detections(np.zeros((n, 4), np.float32), np.ones(n, np.float32), np.array(class_ids, np.int32))


class Seen(Struct):
    rows: int


class CountsRows(Stage):
    """Says how many rows it was given, and gives one fewer on."""

    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        assert isinstance(prediction, Detections)
        event = Event(id="1", stream=frame.stream, phase="update", kind="rows", at=frame.captured_at, seq=frame.seq)
        return Staged(Seen(len(prediction)), (event,), found(*prediction.class_id.tolist()[1:]))


class Fails(Stage):
    def apply(self, frame: Frame, prediction: Prediction, card: ModelCard) -> Staged:
        raise ZeroDivisionError


def test_each_stage_gets_what_the_one_before_left() -> None:
    applied = Pipeline({"first": CountsRows(), "second": CountsRows()}).apply(frame(0), found(0, 1, 1), CARD)
    assert applied.extras == {"first": Seen(3), "second": Seen(2)}
    assert isinstance(applied.prediction, Detections)
    assert len(applied.prediction) == 1
    assert [event.kind for event in applied.events] == ["rows", "rows"]


def test_a_stage_that_raises_costs_its_own_data_alone(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Pipeline({"broken": Fails(), "good": CountsRows()})
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert pipeline.apply(frame(0), found(0), CARD).extras == {"good": Seen(1)}
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["stream door: stage broken failed"]


class Lasts(CountsRows):
    def finish(self, reason: str) -> tuple[Event, ...]:
        return (Event(id="1", stream="door", phase="end", kind="rows", at=0, seq=0, reason=reason),)


class FailsToFinish(Lasts):
    def finish(self, reason: str) -> tuple[Event, ...]:
        raise ZeroDivisionError


def test_what_lasts_ends_once_and_late_frames_pass() -> None:
    pipeline = Pipeline({"broken": FailsToFinish(), "good": Lasts()})
    assert [event.reason for event in pipeline.finish("over")] == ["over"]
    assert pipeline.finish("over again") == ()
    assert pipeline.apply(frame(0), found(0), CARD).extras == {}, "an event could begin that has no end"
    assert list(pipeline.failing) == ["stage broken"]


def test_a_stage_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="'tracking2'"):
        Pipeline.of(["tracking2"])


@pytest.mark.parametrize("name", registry.names("analytics"))
def test_every_stage_takes_any_prediction_and_any_clock(name: str) -> None:
    pipeline = Pipeline.of([name])
    for seconds, rows in ((5.0, (0, 1)), (5.0, ()), (4.0, (7,)), (1e9, (1, 1))):
        given_ = found(*rows)
        applied = pipeline.apply(frame(seconds), given_, CARD)
        assert isinstance(applied.prediction, Detections)
        assert len(applied.prediction) == len(given_)
        assert set(applied.extras) <= {name}
        pipeline.touch(frame(seconds + 0.1), applied.prediction)


def counted(pipeline: Pipeline, seconds: float, *rows: int) -> Counts:
    counts = pipeline.apply(frame(seconds), found(*rows), CARD).extras["counts"]
    assert isinstance(counts, Counts)
    return counts


def test_counts_are_by_class_and_smoothed_on_the_frames_clock() -> None:
    pipeline = Pipeline.of(["counts"])
    assert counted(pipeline, 0, 0, 1, 1) == Counts({"cat": 1, "dog": 2}, {"cat": 1.0, "dog": 2.0})
    assert counted(pipeline, 1, 0) == Counts({"cat": 1}, {"cat": 1.0, "dog": 1.0})
    still = pipeline.touch(frame(2), found(0)).extras["counts"]
    assert still == Counts({"cat": 1}, {"cat": 1.0, "dog": 0.5}), "where nothing moves the clock goes on"
    assert counted(pipeline, 60) == Counts({}, {})


@given(st.lists(st.tuples(st.floats(0, 100), st.lists(st.integers(0, 3), max_size=5)), min_size=1, max_size=20))
def test_a_mean_never_leaves_what_was_counted(frames: list[tuple[float, list[int]]]) -> None:
    pipeline, most = Pipeline.of(["counts"]), 0
    for seconds, rows in frames:
        most = max(most, len(rows))
        counts = counted(pipeline, seconds, *rows)
        assert sum(counts.now.values()) == len(rows)
        assert all(0 <= mean <= most + 0.01 for mean in counts.mean.values())
