"""How long events are kept: by days and by bytes, the oldest first, and what lasts as long as it lasts."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core import age_clock
from sightline.core.events import EVERYTHING, Event, EventRecord
from sightline.core.types import Encoded, Frame, FrameResult
from sightline.events import writer
from sightline.events.journal import Journal
from sightline.events.writer import EventWriter, Taken
from sightline.settings.settings import load_settings
from support.events import event
from support.streams import picture_of
from support.streams import result as result_of

DAY_S = 86400


class Clock:
    """The clocks of the machine, which a test turns."""

    def __init__(self) -> None:
        self.now, self.ran = 1.8e9, 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.ran

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.ran += seconds

    def time_ns(self) -> int:
        return int(self.now * 1e9)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(writer, "time", made)
    monkeypatch.setattr(age_clock, "time", made)
    return made


@pytest.fixture
def written(tmp_path: Path, clock: Clock) -> Iterator[EventWriter]:
    made = EventWriter(tmp_path / "events")
    yield made
    made.store.close()


def known(one: EventWriter) -> list[str]:
    return [found.record.id for found in one.store.search(EVERYTHING, 10_000)]


def happen(one: EventWriter, id: str, *, lasts: bool = False, result: FrameResult | None = None) -> None:
    one.save([Taken(event(id), result)] if lasts else [Taken(event(id), result), Taken(event(id, "end"), None)])


def noise(size: int) -> FrameResult:
    """A result whose picture has so many bytes."""
    return result_of(Frame("door", 1, 0.0, 0.0, Encoded(os.urandom(size), 4, 4)))


def pictures(folder: Path) -> int:
    return len([*folder.rglob("*.jpg")])


def test_what_is_too_old_goes_with_its_picture_and_what_lasts_stays(
    written: EventWriter, clock: Clock, tmp_path: Path
) -> None:
    for day in range(6):
        happen(written, f"day{day}", result=result_of(picture_of(day, "door")))
        happen(written, f"lasts{day}", lasts=True)
        clock.run(DAY_S)
    while written.trim(3.5, 1 << 40):
        pass
    assert known(written) == ["lasts5", "day5", "lasts4", "day4", "lasts3", "day3", "lasts2", "lasts1", "lasts0"]
    assert pictures(tmp_path) == 3
    assert len([*(tmp_path / "events" / "pictures").iterdir()]) == 3, "nor are there empty folders"
    happen(written, "after")
    assert known(written)[0] == "after"


@pytest.mark.parametrize("off", [True, False], ids=["while the server was off", "while it ran"])
def test_a_clock_that_jumps_a_year_ahead_and_back_costs_no_event(tmp_path: Path, clock: Clock, off: bool) -> None:
    def turned(one: EventWriter, seconds: float) -> EventWriter:
        clock.now += seconds
        if not off:
            return one
        one.store.close()
        return EventWriter(tmp_path / "events")

    one = EventWriter(tmp_path / "events")
    for day in range(3):
        happen(one, f"day{day}", result=result_of(picture_of(day, "door")))
        clock.run(DAY_S)
        assert not one.trim(3.5, 1 << 40)
    one = turned(one, 365 * DAY_S)
    happen(one, "ahead")
    clock.run(3600)
    assert not one.trim(3.5, 1 << 40)
    one = turned(one, -365 * DAY_S)
    happen(one, "back")
    assert not one.trim(3.5, 1 << 40)
    assert known(one) == ["back", "ahead", "day2", "day1", "day0"]
    assert pictures(tmp_path) == 3
    clock.run(DAY_S)
    while one.trim(3.5, 1 << 40):
        pass
    assert known(one) == ["back", "ahead", "day2", "day1"], "what is too old goes as ever"
    one.store.close()


@settings(max_examples=15)
@given(st.lists(st.integers(0, 40_000), max_size=30), st.integers(0, 400_000))
def test_the_oldest_go_until_the_others_fit(sizes: list[int], most: int) -> None:
    def play(folder: Path) -> None:
        one = EventWriter(folder)
        empty = one.store.size()
        for n, size in enumerate(sizes):
            happen(one, str(n), result=noise(size))
        before = known(one)
        while one.trim(1000, empty + most):
            assert one.store.size() >= 0
        left = known(one)
        assert before[: len(left)] == left, "the newest stay"
        assert not left or one.store.size() <= empty + most
        assert pictures(folder) == len(left)
        one.store.close()

    with tempfile.TemporaryDirectory() as name:
        play(Path(name))


def test_updates_of_no_happening_go_too(written: EventWriter, clock: Clock) -> None:
    for day in range(6):
        written.save([Taken(event(f"loose{day}", "update"), None)])
        clock.run(DAY_S)
    happen(written, "a", lasts=True)
    written.save([Taken(event("a", "update"), None)])
    while written.trim(3.5, 1 << 40):
        pass
    assert [one.id for one in written.store.after(-1, 100)] == ["loose3", "loose4", "loose5", "a", "a"]
    while written.trim(1000, 0):
        pass
    assert [one.id for one in written.store.after(-1, 100)] == ["a", "a"]


async def test_a_running_journal_trims_itself(tmp_path: Path) -> None:
    told: list[Event] = []
    one = Journal(load_settings(data=tmp_path, events_gb=0.01), told.append)
    await one.open()
    for n in range(30):
        one.take([event(str(n)), event(str(n), "end")], noise(1_000_000))
        done = asyncio.Event()
        one.when_told(done.set)
        await done.wait()
    running = asyncio.create_task(one.run())
    found: list[EventRecord] = []
    while not found or len(found) == 30:
        await asyncio.sleep(0.01)
        found = [stored.record for stored in await one.search(EVERYTHING, 100)]
    running.cancel()
    assert 5 <= len(found) <= 10
    assert found[0].id == "29"
    assert len(told) == 60
    assert await one.picture("0") is None
    await one.close()


async def test_memory_holds_no_more_than_it_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_IN_MEMORY", 200_000)
    one = EventWriter(None, "there is no folder")
    for n in range(1000):
        happen(one, str(n))
    assert one.store.size() > 200_000
    while one.trim(1000, 1 << 40):
        pass
    assert one.store.size() <= 200_000
    assert known(one)[0] == "999"
    one.store.close()
