"""Events of objects: one start and one end for each that is followed, whatever happens to it, its camera and model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.analytics.base import Pipeline
from sightline.analytics.objects import ObjectEvents
from sightline.core.events import Event
from sightline.core.predictions import Detections
from sightline.core.types import Frame, ModelCard
from sightline.settings.stream import Tracking
from sightline.streams.stream import Stream
from support.results import inferred
from support.serving import Json, Peer, peer, picture, serving
from support.streams import Recorder, make_hub, result
from support.streams import frame as frame_of

CARD = ModelCard("m", "m", "detect", ("cat", "dog"), None, "-", "-")
OTHER = ModelCard("n", "m", "detect", ("car",), None, "-", "-")


def frame(seconds: float, seq: int = 0) -> Frame:
    return Frame("door", seq, seconds, 0.0, np.zeros((8, 8, 3), np.uint8))


def found(*objects: tuple[int, int]) -> Detections:
    """An object for each pair of a track and a class."""
    tracks = np.array([track for track, _ in objects], np.int32)
    boxes = np.tile(np.array([[1, 2, 3.04, 4]], np.float32), (len(objects), 1))
    classes = np.array([class_id for _, class_id in objects], np.int32)
    return Detections(boxes, np.ones(len(objects), np.float32), classes, tracks)


def told(*events: Event) -> list[tuple[str, int | None, str, float | None, str]]:
    return [(one.phase, one.track, one.class_name, one.seconds, one.reason) for one in events]


def test_an_object_begins_with_its_id_and_ends_once_the_tracker_has_given_it_up() -> None:
    stage = ObjectEvents(lost_s=2.0)
    (start,) = stage.apply(frame(10.0, 3), found((7, 0), (-1, 1)), CARD).events
    assert start == Event(
        id=start.id, stream="door", phase="start", kind="object", at=10.0, seq=3, class_name="cat", track=7,
        box=(1.0, 2.0, 3.0, 4.0),
    )  # fmt: skip
    assert stage.apply(frame(11.0), found((7, 0)), CARD).events == ()
    assert stage.touch(frame(12.0)).events == (), "it is still there"
    assert stage.apply(frame(14.0), found(), CARD).events == (), "it may come back"
    (end,) = stage.apply(frame(14.1, 9), found(), CARD).events
    assert (end.id, end.phase, end.at, end.seq, end.seconds, end.reason) == (start.id, "end", 14.1, 9, 2.0, "")
    assert stage.finish("over") == ()


def test_another_class_is_told_once_it_lasts() -> None:
    stage, events = ObjectEvents(lost_s=2.0), list[Event]()
    for n, class_id in enumerate((0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 0, 1)):
        events += stage.apply(frame(n / 10), found((7, class_id)), CARD).events
    assert told(*events) == [("start", 7, "cat", None, ""), ("update", 7, "dog", None, "")]
    assert events[1].at == pytest.approx(0.8)
    (end,) = stage.finish("the camera is gone")
    assert told(end) == [("end", 7, "dog", 1.1, "the camera is gone")]
    assert len({one.id for one in (*events, end)}) == 1


def test_a_still_scene_in_which_an_object_gets_its_id() -> None:
    stage = ObjectEvents(lost_s=2.0)
    assert stage.apply(frame(0), found((-1, 0)), CARD).events == ()
    stage.revise(found((7, 0)))
    assert told(*stage.touch(frame(1)).events) == [("start", 7, "cat", None, "")]


def test_a_model_with_other_classes_ends_all() -> None:
    stage = ObjectEvents(lost_s=2.0)
    stage.apply(frame(0), found((7, 0)), CARD)
    events = stage.apply(frame(1), found((8, 0)), OTHER).events
    assert told(*events) == [("end", 7, "cat", 0.0, "the stream has another model"), ("start", 8, "car", None, "")]


tracked = st.lists(st.tuples(st.integers(-1, 6), st.integers(0, 1)), max_size=5, unique_by=lambda one: one[0])
steps = st.one_of(
    st.tuples(st.just("apply"), st.floats(-5, 5), tracked),
    st.tuples(st.just("touch"), st.floats(0, 3), st.none()),
    st.tuples(st.sampled_from(["finish", "another model", "no ids"]), st.just(0.1), st.none()),
)


@given(st.lists(steps, max_size=40))
def test_each_start_has_one_end_and_updates_lie_between(plan: list[tuple[str, float, Any]]) -> None:
    stage, at, card, events = ObjectEvents(lost_s=2.0), 1e9, CARD, list[Event]()
    for seq, (what, passed, objects) in enumerate(plan):
        at += passed
        if what == "apply":
            events += stage.apply(frame(at, seq), found(*objects), card).events
        elif what == "touch":
            events += stage.touch(frame(at, seq)).events
        elif what == "finish":
            events += stage.finish("no picture came any more")
        elif what == "another model":
            card = OTHER if card is CARD else CARD
        else:
            events += stage.apply(frame(at, seq), replace(found(), tracker_id=None), card).events
    events += stage.finish("over")
    by_id: dict[str, list[Event]] = {}
    for one in events:
        by_id.setdefault(one.id, []).append(one)
    for happening in by_id.values():
        assert [one.phase for one in happening] == ["start", *["update"] * (len(happening) - 2), "end"]
        assert len({one.track for one in happening}) == 1
        assert (happening[-1].seconds or 0) >= 0


def test_where_the_stage_stands() -> None:
    assert Tracking().with_tracks(["counts"]) == ("tracks", "counts")
    assert Tracking(object_events=True).with_tracks(["counts"]) == ("tracks", "objects", "counts")
    assert Tracking(object_events=True).with_tracks(["counts", "tracks"]) == ("counts", "tracks", "objects")
    assert Tracking(object_events=True, track=False).with_tracks(["ids", "objects"]) == ("ids", "objects")


async def test_ends_come_after_the_starts_that_the_worker_still_has() -> None:
    """A frame may pass the stages in a thread while the loop ends what lasts: its result comes later."""
    stream = Stream("door", make_hub().worker, tracking=Tracking(track=False, object_events=True))
    pipeline, stage = stream.pipeline, ObjectEvents(lost_s=2.0)
    events: list[Event] = []
    stream.listeners.emit = lambda *given, result=None: events.extend(given)  # type: ignore[method-assign]
    stream.pipeline = Pipeline({"objects": stage})
    stream.start(Recorder())
    stream.pipeline = Pipeline({"objects": stage})
    for seq in (1, 2):
        stream.put(frame_of(seq))
        request = stream.take()
        assert request is not None
        made = result(request.frame).changed(events=stage.apply(request.frame, found((seq, 0)), CARD).events)
        if seq == 1:
            stream.deliver(made)
            assert told(*events) == [("start", 1, "cat", None, "")]
    stream.track(Tracking())
    assert len(events) == 1, "the second start is not told yet"
    stream.deliver(made)
    assert [(one.phase, one.track) for one in events] == [("start", 1), ("start", 2), ("end", 1), ("end", 2)]
    assert {one.reason for one in events[2:]} == {"the stream's settings were changed"}
    assert pipeline is not stream.pipeline


ROW = {"class_id": 0, "confidence": 0.9, "xyxy": [20, 60, 70.5, 120]}


async def test_the_api_turns_events_of_objects_on_and_off() -> None:
    """They are told without anybody who watches, and end with the setting, the camera's end, and the server's."""
    async with serving("--model", "motion") as server:

        async def change(**given: Any) -> Json:
            answer = await server.http.patch("/api/streams/door", json=given)
            assert answer.status_code == 200, answer.text
            return dict(answer.json())

        async def see(camera: Peer, first: int) -> None:
            for seq in range(first, first + 3):
                await camera.ws.send(inferred(seq, [ROW]))
                await camera.ws.send(picture(seq))
                await camera.next("result")

        async with peer(f"{server.ws}/ws/camera/door?results=0"):
            assert ((await change())["object_events"], (await change())["wanted"]) == (False, False)
            assert ((await change(object_events=True))["object_events"], (await change())["wanted"]) == (True, True)
        async with peer(f"{server.ws}/ws?events=1&stream=door") as events:

            async def next_event() -> tuple[str, int, str]:
                event, _ = await events.next("event")
                assert (event["kind"], event["class_name"]) == ("object", "motion")
                return event["phase"], event["track"], event.get("reason", "")

            async with peer(f"{server.ws}/ws/camera/door") as camera:
                await see(camera, 1)
                assert await next_event() == ("start", 1, "")
                await change(object_events=False)
                assert await next_event() == ("end", 1, "the stream's settings were changed")
                await change(object_events=True)
                await see(camera, 4)
                assert await next_event() == ("start", 1, "")
                await change(track_confirm=1)
                assert await next_event() == ("end", 1, "the stream's settings were changed")
                await see(camera, 7)
                assert await next_event() == ("start", 2, "")
            assert await next_event() == ("end", 2, "the camera is gone")
            async with peer(f"{server.ws}/ws/camera/door") as camera:
                await see(camera, 1)
                assert await next_event() == ("start", 3, "")
                server.process.terminate()
                assert await next_event() == ("end", 3, "the server is shutting down")
