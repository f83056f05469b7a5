"""A camera is watched over where somebody minds, and only there: one look a second, and an end for each start."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from msgspec import structs

from sightline.core.events import Event
from sightline.core.types import Encoded, Frame, FrameResult
from sightline.inference.static_scene import thumbnail
from sightline.media import codecs
from sightline.streams.hub import Hub
from sightline.streams.scene import watch
from support.streams import Recorder, make_hub, until


def jpeg(seed: int | None) -> Encoded:
    """A scene of its own for each seed; a covered lens without one."""
    rough = np.full((9, 16, 3), 60.0) if seed is None else np.random.default_rng(seed).uniform(20, 230, (9, 16, 3))
    image = cv2.resize(rough.astype(np.uint8), (320, 180), interpolation=cv2.INTER_NEAREST)
    return Encoded(codecs.encode_jpeg(np.asarray(image, np.uint8)), 320, 180)


SCENE, COVERED = jpeg(1), jpeg(None)


class Camera:
    """A camera of a hub's stream, two pictures a second."""

    def __init__(self, hub: Hub) -> None:
        self.events: list[Event] = []
        self.looks: list[float] = []
        self.seen: list[FrameResult | None] = []
        """What each event was seen in."""
        hub.listeners.emit = self._hear  # type: ignore[method-assign]
        self.publisher = Recorder(wants_results=False)
        self.stream = hub.take("door", self.publisher)
        self.hub, self.at = hub, 1e9

    def _hear(self, *events: Event, result: FrameResult | None = None) -> None:
        self.events += events
        self.seen += [result] * len(events)

    def watched(self) -> None:
        self.stream.watch_scene(self.hub._scenes if self.hub.minds("door") else None, "nobody minds it")

    async def shows(self, image: Encoded, seconds: int) -> list[tuple[str, str, str]]:
        """Send pictures; return what was told meanwhile."""
        told = len(self.events)
        for _ in range(2 * seconds):
            self.at += 0.5
            self.stream.put(Frame("door", int(2 * self.at), self.at, 0.0, image))
            scene = self.stream.scene
            await until(lambda scene=scene: scene is None or not scene._busy)  # type: ignore[misc]
        return [(one.phase, one.class_name, one.reason) for one in self.events[told:]]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When pictures were looked at, on the frames' clock."""
    at: list[float] = []

    def look(frame: Frame) -> Any:
        at.append(frame.captured_at)
        return thumbnail(frame)

    monkeypatch.setattr(watch, "thumbnail", look)
    return at


async def test_a_camera_that_nobody_watches_is_covered_and_uncovered(looks: list[float]) -> None:
    camera = Camera(make_hub(streams={"door": {}}))
    camera.watched()
    assert await camera.shows(SCENE, 15) == []
    assert camera.stream.meters.ledger.dropped["unwatched"] == 30, "nothing is inferred for it"
    assert np.diff(looks).tolist() == [1.0] * 14
    assert await camera.shows(COVERED, 10) == [("start", "covered", "")]
    assert await camera.shows(SCENE, 4) == [("end", "covered", "")]
    start, end = camera.events
    assert (start.id, start.kind, start.stream) == (end.id, "scene", "door")
    assert end.seconds == end.at - start.at
    (seen, _) = camera.seen
    assert seen is not None
    assert (seen.frame.seq, seen.frame.image) == (start.seq, COVERED), "its picture is that frame"
    assert start.seq == int(2 * start.at)


@pytest.mark.parametrize("how", ["camera gone", "another camera", "server stops", "nobody minds"])
async def test_what_lasts_ends_with_the_camera(how: str) -> None:
    camera = Camera(make_hub(streams={"door": {}}))
    camera.watched()
    await camera.shows(SCENE, 12)
    assert [phase for phase, *_ in await camera.shows(COVERED, 10)] == ["start"]
    if how == "camera gone":
        camera.hub.release(camera.stream, camera.publisher)
    elif how == "another camera":
        camera.hub.take("door", Recorder(session="")) if camera.publisher.lost() else camera.stream.start(Recorder())
    elif how == "server stops":
        camera.hub.close("the server is shutting down")
    else:
        camera.hub.settings = camera.hub.settings.model_copy(update={"streams": {}})
        camera.watched()
    scene = [one for one in camera.events if one.kind == "scene"]
    assert [one.phase for one in scene] == ["start", "end"]
    assert (
        scene[1].reason
        == {
            "camera gone": "the camera is gone",
            "another camera": "another camera took its place",
            "server stops": "the server is shutting down",
            "nobody minds": "nobody minds it",
        }[how]
    )
    assert scene[1].seconds is not None
    assert camera.stream.scene is None
    if how == "another camera":
        camera.watched()
        assert await camera.shows(jpeg(2), 15) == [], "its scene is another one from the beginning"


async def test_pictures_that_can_not_be_read_and_streams_that_nobody_minds(looks: list[float]) -> None:
    camera = Camera(make_hub())
    camera.watched()
    assert camera.stream.scene is None
    camera = Camera(make_hub(streams={"door": {}}))
    camera.watched()
    assert await camera.shows(structs.replace(SCENE, data=b"\xff\xd8\xff"), 3) == []
    assert await camera.shows(structs.replace(SCENE), 12) == []
    assert [phase for phase, *_ in await camera.shows(COVERED, 8)] == ["start"]
    assert camera.stream.failing == {}
