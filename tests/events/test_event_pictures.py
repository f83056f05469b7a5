"""Pictures of events: the frame that shows what happened best, whole and cut out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import cv2
import numpy as np
import pytest
import pytest_asyncio
from msgspec.structs import replace

from sightline.core.events import Event
from sightline.core.predictions import Detections
from sightline.core.records import Detection
from sightline.core.types import Encoded, Frame, FrameResult, Image, ModelCard
from sightline.events import pictures
from sightline.events.journal import Journal
from sightline.events.pictures import MOST_KEPT, UPDATE_S
from sightline.media.codecs import encode_jpeg
from sightline.settings.settings import load_settings
from support.streams import CARD

SIZE = 640, 360
BOX = (100.0, 100.0, 140.0, 200.0)


def pixels(grey: int, size: tuple[int, int] = SIZE) -> Image:
    return np.full((size[1], size[0], 3), grey, np.uint8)


def frame(seq: int, image: Encoded | Image) -> Frame:
    return Frame("door", seq, 1000.0 + seq, 0.0, image)


def jpeg(seq: int) -> Frame:
    return frame(seq, Encoded(encode_jpeg(pixels(seq)), *SIZE))


def result(
    of: Frame, *rows: tuple[int, float, tuple[float, float, float, float]], card: ModelCard = CARD
) -> FrameResult:
    """A result with rows of track, confidence and box."""
    found = tuple(Detection(2, "car", confidence, box, track) for track, confidence, box in rows)
    return FrameResult(of, Detections.empty(), card, found, (), None, {}, 1.0, 0.0)


def event(phase: str = "start", track: int | None = 7, **more: object) -> Event:
    made = Event(id="a", stream="door", phase="start", kind="zone", at=1000.0, seq=0, track=track, box=BOX)
    return replace(made, phase=phase, **more)


class Clock:
    """Time for the picture's pace."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pictures, "time", made)
    return made


class House:
    """A journal and what it tells."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Event] = []
        self.journal = Journal(load_settings(data=folder), self.told.append)

    async def take(self, one: Event, of: FrameResult | None = None) -> None:
        count = len(self.told)
        self.journal.take([one], of)
        await self.settled()
        assert len(self.told) > count

    async def see(self, of: FrameResult) -> None:
        """Have it look at a frame now."""
        self.journal._looked = 0.0
        self.journal.see(of)
        await self.settled()

    async def settled(self) -> None:
        done = asyncio.Event()
        self.journal.when_told(done.set)
        await done.wait()

    async def picture(self, *, crop: bool = False) -> Image:
        data = await self.journal.picture("a", crop=crop)
        assert data is not None
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # type: ignore[return-value]


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    made = House(tmp_path)
    await made.journal.open()
    yield made
    await made.journal.close()


async def test_the_picture_is_there_when_the_start_is_told_as_it_came(house: House) -> None:
    first = jpeg(10)
    await house.take(event(), result(first, (7, 0.9, BOX)))
    assert house.told[0].snapshot == "/api/events/a/picture.jpg"
    assert isinstance(first.image, Encoded)
    assert await house.journal.picture("a") == first.image.data
    await house.take(event("end"))
    assert house.told[1].snapshot == house.told[0].snapshot, "also who hears of its end alone finds it"


async def test_the_crop_shows_the_object_with_its_box(house: House) -> None:
    await house.take(event(), result(frame(1, pixels(90)), (7, 0.9, BOX)))
    whole, crop = await house.picture(), await house.picture(crop=True)
    assert whole.shape == (360, 640, 3)
    assert np.abs(whole.astype(int) - 90).max() < 4, "nothing is drawn in the picture"
    assert crop.shape == (160, 160, 3)
    drawn = np.argwhere(np.abs(crop.astype(int) - 90).max(axis=2) > 60)
    (top, left), (bottom, right) = drawn.min(axis=0), drawn.max(axis=0)
    assert abs(left - 60) <= 3, "the box begins at 100, the crop at 40"
    assert abs(bottom - 130) <= 3
    assert right >= 97
    assert top <= 33


async def test_a_better_frame_takes_its_place_at_the_end(house: House, clock: Clock) -> None:
    await house.take(event(), result(jpeg(10), (7, 0.5, BOX)))
    assert house.journal.watched == {"door"}
    large = (100.0, 100.0, 300.0, 300.0)
    await house.see(result(jpeg(50), (8, 0.9, large), (7, 0.9, large)))
    await house.see(result(jpeg(90), (7, 0.9, BOX)))
    await house.see(result(jpeg(95)))
    assert [one.phase for one in house.told] == ["start"], "too soon for another picture"
    await house.take(event("end"))
    assert house.journal.watched == frozenset()
    assert house.told[-1].snapshot == "/api/events/a/picture.jpg"
    assert abs(int((await house.picture()).mean()) - 50) <= 1
    found = house.journal._writer.store.find("a")
    assert found is not None
    assert found.record.box == large, "the box is the picture's"


async def test_what_lasts_is_updated_no_more_often_than_that(house: House, clock: Clock) -> None:
    await house.take(event(), result(jpeg(10), (7, 0.5, BOX)))
    for step in range(1, 9):
        clock.now += UPDATE_S / 4 + 0.01
        side = 100.0 + 50 * step
        await house.see(result(jpeg(10 + 10 * step), (7, 0.9, (0.0, 0.0, side, side))))
    updates = [one for one in house.told if one.phase == "update"]
    assert [one.seq for one in updates] == [50, 90]
    assert updates[0].box == (0.0, 0.0, 300.0, 300.0)
    assert updates[0].snapshot == house.told[0].snapshot
    assert abs(int((await house.picture()).mean()) - 90) <= 1


@pytest.mark.parametrize("track", [None, 9])
async def test_an_event_of_no_object_in_the_frame_has_the_whole_picture(house: House, track: int | None) -> None:
    await house.take(event(track=track, box=None), result(frame(1, pixels(90, (1280, 720))), (7, 0.9, BOX)))
    assert (await house.picture()).shape == (720, 1280, 3)
    assert (await house.picture(crop=True)).shape == (360, 640, 3)


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 9.0, 9.0), (630.0, 350.0, 640.0, 360.0), (-50.0, -50.0, 700.0, 400.0), (5.0, 5.0, 5.0, 5.0)]
)
async def test_a_crop_stays_inside_the_picture(house: House, box: tuple[float, float, float, float]) -> None:
    await house.take(event(), result(jpeg(1), (7, 0.9, box)))
    height, width = (await house.picture(crop=True)).shape[:2]
    assert 160 <= width <= 640
    assert 160 <= height <= 360


async def test_a_picture_that_can_not_be_written_costs_no_event(house: House, tmp_path: Path) -> None:
    (tmp_path / "events" / "pictures").write_text("no folder")
    await house.take(event(), result(jpeg(10), (7, 0.9, BOX)))
    assert house.told[0].snapshot == ""
    assert house.journal.failing is not None
    assert await house.journal.picture("a") is None
    (tmp_path / "events" / "pictures").unlink()
    await house.take(event(id="b"), result(jpeg(10), (7, 0.9, BOX)))
    assert house.journal.failing is None


async def test_frames_that_wait_take_bounded_memory(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_KEPT", 20_000)
    assert MOST_KEPT > 20_000
    rows = []
    for track in range(10):
        await house.take(event(id=f"t{track}", track=track), result(jpeg(10), (track, 0.5, BOX)))
        rows.append((track, 0.9, (0.0, 0.0, 300.0, 300.0)))
        await house.see(result(jpeg(20 + track), rows[-1]))
    kept = [one.better for one in house.journal._writer.pictures._all() if one.better is not None]
    assert 0 < sum(len(jpeg) for _, _, jpeg in kept) <= 20_000
    assert len(kept) < 10


async def test_a_second_start_leaves_the_first_ones_picture(house: House, tmp_path: Path) -> None:
    await house.take(event(), result(jpeg(10), (7, 0.9, BOX)))
    house.journal.take([event()], result(jpeg(90), (7, 0.9, BOX)))
    await house.take(event("end"))
    house.journal.take([event()], result(jpeg(90), (7, 0.9, BOX)))
    await house.settled()
    assert [one.phase for one in house.told] == ["start", "end"]
    assert abs(int((await house.picture()).mean()) - 10) <= 1
    assert len([*tmp_path.rglob("*.jpg")]) == 1  # noqa: ASYNC240
    assert house.journal.watched == frozenset()


async def test_a_result_that_makes_no_sense_costs_a_picture_and_no_event(house: House, clock: Clock) -> None:
    await house.take(event(), result(jpeg(10), (7, 0.5, BOX)))
    await house.see(result(jpeg(20), (7, "sure", BOX)))  # type: ignore[arg-type]
    await house.take(event(id="b"), result(jpeg(20), (7, 0.9, "box")))  # type: ignore[arg-type]
    await house.take(event("end"))
    assert [one.phase for one in house.told] == ["start", "start", "end"]


async def test_a_damaged_picture_is_told_and_costs_no_event(house: House) -> None:
    await house.take(event(), result(frame(1, Encoded(b"\xff\xd8 no picture", *SIZE)), (7, 0.9, BOX)))
    assert house.told[0].snapshot
    with pytest.raises(Exception, match="JPEG"):
        await house.journal.picture("a", crop=True)
