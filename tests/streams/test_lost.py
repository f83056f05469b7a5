"""Streams that are lost and back: told once each, of those that somebody minds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from sightline.core.events import Event
from sightline.core.zones import Zone
from sightline.streams.hub import Hub
from sightline.streams.lost import LOST_S
from sightline.streams.stream import Stream
from support.streams import Recorder, frame, make_hub

ZONE = Zone(points=((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)))


class Watch:
    """A hub whose clock the test sets."""

    def __init__(self, **settings: Any) -> None:
        self.events: list[Event] = []
        self.now = 1000.0
        self.hub: Hub = make_hub(**settings)
        self.hub.listeners.emit = lambda *given: self.events.extend(given)  # type: ignore[method-assign]
        self.hub.lost = type(self.hub.lost)(self.hub.listeners.emit)
        for name in self.hub.settings.sources:
            self.hub.lost.expect(name, self.now)
        self.seq = 0

    def picture(self, stream: Stream) -> None:
        self.seq += 1
        stream.put(structs.replace(frame(self.seq, stream.name), captured_at=5e5 + self.now, received_at=self.now))

    def wait(self, seconds: float, *, every: float = 0.25) -> list[tuple[str, str, str]]:
        """Let time pass, with looks in between; return what was told meanwhile."""
        before, until = len(self.events), self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + every)
            self.hub.lost.look(self.hub.streams, self.hub.minds, self.now)
        return [(one.stream, one.phase, one.reason) for one in self.events[before:]]


async def test_a_camera_that_goes_and_comes_back() -> None:
    watch, recorder = Watch(streams={"door": {}}), Recorder()
    stream = watch.hub.take("door", recorder)
    for _ in range(3):
        watch.picture(stream)
        assert watch.wait(1) == []
    watch.hub.release(stream, recorder)
    assert watch.wait(8) == [], "it may be back soon"
    assert watch.wait(2) == [("door", "start", "the camera is gone")]
    assert watch.wait(100) == []
    stream = watch.hub.take("door", recorder)
    assert watch.wait(1) == [], "no picture yet"
    watch.picture(stream)
    assert watch.wait(1) == [("door", "end", "")]
    start, end = watch.events
    assert (start.id, start.kind, start.at, start.seq) == (end.id, "stream", 501002.0, 3)
    assert (end.at, end.seq, end.seconds) == (501114.0, 4, 112.0)


async def test_reasons() -> None:
    watch, recorder = Watch(streams={"door": {}, "yard": {}}), Recorder()
    door, yard = watch.hub.take("door", recorder), watch.hub.take("yard", Recorder())
    for _ in range(2):
        watch.picture(door)
        watch.picture(yard)
        watch.wait(0.25)
    door.hide(recorder, True)
    assert set(watch.wait(LOST_S + 1)) == {
        ("door", "start", "the camera's page is in the background"),
        ("yard", "start", "no picture comes"),
    }
    watch.picture(yard)
    watch.wait(0.25)
    watch.hub.close("the server is shutting down")
    assert [(one.stream, one.phase, one.reason) for one in watch.events[2:]] == [
        ("yard", "end", ""), ("door", "end", "the server is shutting down")
    ]  # fmt: skip
    assert watch.events[-1].seconds is not None
    assert watch.events[-1].seconds > LOST_S


async def test_only_streams_that_somebody_minds() -> None:
    watch, recorder = Watch(), Recorder()
    stream = watch.hub.take("door", recorder)
    watch.picture(stream)
    watch.hub.release(stream, recorder)
    assert watch.wait(30) == []
    watch.hub.boards.put("door", "zones", "drive", ZONE)
    assert watch.wait(1) == [("door", "start", "the camera is gone")]
    watch.hub.boards.remove("door", "zones", "drive")
    assert watch.wait(1) == [("door", "end", "nobody minds it any more")]


async def test_a_source_that_never_came_is_lost_and_a_stream_that_never_was_is_not() -> None:
    watch = Watch(streams={"door": {}}, sources={"yard": "rtsp://camera.lan/1"})
    assert watch.wait(LOST_S + 1) == [("yard", "start", "the camera is gone")]


@pytest.mark.parametrize("gap", [4.0, 30.0, 300.0])
async def test_a_camera_that_sends_seldom_is_not_lost_between_its_pictures(gap: float) -> None:
    watch = Watch(streams={"door": {}})
    stream = watch.hub.take("door", Recorder())
    for n in range(5):
        watch.picture(stream)
        assert watch.wait(gap) == [] or (n < 2 and gap > 60), "after the first picture nobody knows"
    watch.events.clear()
    assert watch.wait(max(0.0, 2 * gap - 1)) == []
    assert len(watch.wait(gap + LOST_S)) == 1


@given(st.lists(st.tuples(st.sampled_from(["take", "picture", "release", "zone", "no zone"]), st.floats(0, 40))))
def test_each_loss_has_one_end(plan: list[tuple[str, float]]) -> None:
    watch, recorder, stream = Watch(sources={"yard": "rtsp://camera.lan/1"}), Recorder(), None
    for what, seconds in plan:
        if what == "take" and stream is None:
            stream = watch.hub.take("door", recorder)
        elif what == "picture" and stream is not None:
            watch.picture(stream)
        elif what == "release" and stream is not None:
            watch.hub.release(stream, recorder)
            stream = None
        elif what == "zone":
            watch.hub.boards.put("door", "zones", "drive", ZONE)
        elif what == "no zone" and watch.hub.boards.has("door"):
            watch.hub.boards.remove("door", "zones", "drive")
        watch.wait(seconds, every=5.0)
    watch.hub.lost.close("over", watch.now)
    by_id: dict[str, list[str]] = {}
    for one in watch.events:
        by_id.setdefault(one.id, []).append(one.phase)
    assert all(phases == ["start", "end"] for phases in by_id.values())
    lost = False
    for one in (one for one in watch.events if one.stream == "yard"):
        assert (one.phase == "end") is lost
        lost = not lost
