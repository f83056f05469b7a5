"""Tracks as a stage: ids on results of every kind, settings of a stream, and what stays as it was."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from sightline.analytics.base import Pipeline
from sightline.analytics.tracks import Tracks
from sightline.core.predictions import Detections, Segmentation
from sightline.core.types import Frame, FrameResult, ModelCard
from sightline.inference.result import make_result, reuse_result
from sightline.settings.stream import Tracking
from support.results import inferred
from support.serving import peer, picture, serving

CARD = ModelCard("m", "m", "detect", ("cat", "dog"), None, "-", "-")


def frame(seconds: float) -> Frame:
    return Frame("door", 0, seconds, 0.0, np.zeros((8, 8, 3), np.uint8))


def found(*class_ids: int) -> Detections:
    """One object in a place of its own for each class id."""
    n = len(class_ids)
    left = np.arange(n, dtype=np.float32)[:, None] * 100
    boxes = np.concatenate([left, left * 0, left + 40, left * 0 + 90], axis=1)
    return Detections(boxes, np.full(n, 0.9, np.float32), np.array(class_ids, np.int32))


def result(pipeline: Pipeline, at: float, *class_ids: int, **given: Any) -> FrameResult:
    return make_result(frame(at), found(*class_ids), given.pop("card", CARD), pipeline, stages={}, **given)


def ids(made: FrameResult) -> list[int | None]:
    return [row.tracker_id for row in made.detections]


def test_rows_get_ids_once_they_are_confirmed_and_none_is_not_minus_one() -> None:
    pipeline = Pipeline.of(["tracks"])
    first, second, third = (result(pipeline, n / 10, *rows) for n, rows in enumerate([(0,), (0, 1), (0, 1)]))
    assert [ids(one) for one in (first, second, third)] == [[None], [1, None], [1, 2]]
    assert first.extras == {}
    assert third.extras == {"tracks": Tracks({"cat": 1, "dog": 1})}


def test_classes_that_are_not_shown_are_followed_too() -> None:
    pipeline = Pipeline.of(["tracks"])
    for n in range(3):
        made = result(pipeline, n / 10, 0, 1, shown=frozenset({1}))
    assert ids(made) == [2]
    assert made.extras == {"tracks": Tracks({"cat": 1, "dog": 1})}


def test_a_reused_result_keeps_its_ids_and_a_second_look_confirms() -> None:
    pipeline = Pipeline.of(["tracks", "counts"])
    earlier = result(pipeline, 0, 0, 1, shown=frozenset({1}))
    assert ids(earlier) == [None]
    reused = reuse_result(frame(0.1), earlier, pipeline, started=0, took_ms=0, shown=frozenset({1}))
    assert ids(reused) == [2]
    again = reuse_result(frame(0.2), reused, pipeline, started=0, took_ms=0, shown=frozenset({1}))
    assert again.detections is reused.detections
    assert ids(result(pipeline, 0.3, 0, 1)) == [1, 2]


def test_a_frame_in_which_nothing_is_found_says_what_was_seen_and_lets_time_go_on() -> None:
    pipeline = Pipeline.of(["tracks"])
    for n in range(2):
        result(pipeline, n / 10, 0)
    empty = result(pipeline, 0.5)
    reused = reuse_result(frame(1.0), empty, pipeline, started=0, took_ms=0)
    for made in (empty, reused):
        assert (made.detections, made.extras) == ((), {"tracks": Tracks({"cat": 1})})
    assert ids(result(pipeline, 1.5, 0)) == [1]
    for at in (2.0, 3.0, 4.0):
        result(pipeline, at)
    assert ids(result(pipeline, 4.1, 0)) == [None], "it was gone for too long"


def test_another_model_with_the_same_classes_keeps_ids_and_other_classes_begin_anew() -> None:
    pipeline = Pipeline.of(["tracks"])
    other = ModelCard("n", "m", "detect", ("car",), None, "-", "-")
    same = ModelCard("n", "m", "detect", CARD.labels, None, "-", "-")
    cards = [CARD, CARD, same, other, other]
    made = [result(pipeline, n / 10, 0, card=card) for n, card in enumerate(cards)]
    assert [ids(one) for one in made] == [[None], [1], [1], [None], [2]]
    assert made[-1].extras == {"tracks": Tracks({"cat": 1, "car": 1})}


def test_what_has_no_rows_or_has_ids_already_stays_as_it_is() -> None:
    pipeline = Pipeline.of(["tracks"])
    areas = Segmentation(np.zeros((4, 4), np.uint8))
    own = replace(found(0), tracker_id=np.array([77], np.int32))
    for prediction in (areas, own):
        assert pipeline.apply(frame(0), prediction, CARD).prediction is prediction
        assert pipeline.touch(frame(1), prediction).prediction is prediction


def test_settings_change_the_tracks_and_leave_other_stages_alone() -> None:
    numbers = itertools.count(1)
    tracking = Tracking(track_confirm=1)
    before = Pipeline.of(tracking.with_tracks(["counts"]), tracking.stage_options(numbers))
    assert ids(result(before, 0, 0)) == [1]
    changed = tracking.changed({"track_confirm": None, "track_lost_s": 9.0})
    assert (changed.track_confirm, changed.track_lost_s) == (2, 9.0)
    after = before.changed(changed.with_tracks(["counts"]), changed.stage_options(numbers))
    made = [result(after, 1 + n / 10, 0) for n in range(2)]
    assert [ids(one) for one in made] == [[None], [2]]
    counts: Any = made[0].extras["counts"]
    assert counts.mean == {"cat": 1.0}, "it goes on from before"
    off = after.changed(Tracking(track=False).with_tracks(["tracks", "counts"]), {})
    assert set(result(off, 2, 0).extras) == {"counts"}


ROW = {"class_id": 0, "confidence": 0.9, "xyxy": [20, 60, 70.5, 120]}


async def test_streams_of_a_server_share_no_ids_and_their_tracks_can_be_set() -> None:
    jpeg = picture(1)

    async def answers(camera: Any, first: int) -> list[list[int | None]]:
        told = []
        for seq in range(first, first + 3):
            await camera.ws.send(inferred(seq, [ROW, ROW | {"xyxy": [200, 60, 250, 120]}]))
            await camera.ws.send(jpeg)
            answer, _ = await camera.next("result")
            told.append([row.get("tracker_id") for row in answer["detections"]])
        return told

    async def change(**given: Any) -> Any:
        answer = await server.http.patch("/api/streams/door", json=given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async with (
        serving() as server,
        peer(f"{server.ws}/ws?stream=door") as listener,
        peer(f"{server.ws}/ws/camera/door") as door,
        peer(f"{server.ws}/ws/camera/yard") as yard,
    ):
        assert await answers(door, 1) == [[None, None], [1, 2], [1, 2]]
        assert await answers(yard, 1) == [[None, None], [3, 4], [3, 4]]
        told: dict[str, Any] = {}
        while told.get("frameNumber") != 3:
            told, _ = await listener.next("result")
        assert [row["tracker_id"] for row in told["detections"]] == [1, 2]
        assert told["extras"] == {"tracks": {"seen": {"motion": 2}}}

        stream = await change(track_confirm=3, track_lost_s=5)
        assert (stream["track"], stream["track_confirm"], stream["track_lost_s"]) == (True, 3, 5.0)
        assert await answers(door, 4) == [[None, None], [None, None], [5, 6]]
        await change(track=False)
        assert await answers(door, 7) == [[None, None]] * 3
        assert (await change(track=None))["track"] is True
        for key, value in (("track", "yes"), ("track_lost_s", 0), ("track_confirm", 2.5)):
            refused = await server.http.patch("/api/streams/door", json={key: value})
            assert (refused.status_code, refused.json()["error"]["key"]) == (422, key)
