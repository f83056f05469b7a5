"""What is kept, and what goes: by age, size and room, with wrong clocks, and never anything outside the folder."""

from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from sightline.recordings import index, retention
from sightline.recordings.retention import Retention, prune
from sightline.recordings.shelf import Shelf
from support import recordings as made
from support.inside import inside
from support.shelves import DAY, NOW, Time, record, shelf_in

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def shelf(tmp_path: Path, time: Time) -> Iterator[Shelf]:
    made = shelf_in(tmp_path / "recordings")
    yield made
    made.close()


def limits(
    *, days: float = 7, events: float = 30, size: int = 10**9, own: int | None = None, free: int = 0
) -> Retention:
    return Retention(lambda _: days, events, size, lambda stream: own if stream == "door" else None, free)


def kept(shelf: Shelf, stream: str = "door") -> list[float]:
    """Starts of what is listed, which is what is there."""
    listed = [one.name for one in shelf.index.segments(stream, 0, 1e11)]
    assert listed == sorted(name for name in shelf.root.names() if name.startswith(f"{stream}/"))
    return [one.started_at for one in shelf.index.segments(stream, 0, 1e11)]


def test_the_old_goes_events_stay_longer_and_what_is_protected_stays(shelf: Shelf, time: Time) -> None:
    record(shelf, "door", NOW)
    record(shelf, "door", NOW + 60, event=True)
    record(shelf, "door", NOW + 120)
    shelf.protect("door", NOW + 115, NOW + 130, on=True)
    record(shelf, "yard", NOW)
    time.run(6.9 * DAY)
    assert prune(shelf, limits()) == 0
    time.run(0.2 * DAY)
    assert prune(shelf, limits()) == 2
    assert kept(shelf) == [NOW + 60, NOW + 120]
    assert kept(shelf, "yard") == []
    time.run(24 * DAY)
    prune(shelf, limits())
    assert kept(shelf) == [NOW + 120]
    time.run(1000 * DAY)
    prune(shelf, limits(size=1, own=1))
    assert kept(shelf) == [NOW + 120]


def count(data: Path, ending: str) -> int:
    """How many files there are."""
    return len(list(data.glob(f"recordings/*/*/*{ending}")))


async def test_all_of_a_long_time_is_protected_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than a week, the index said so of all and the files of the first week: a rescan forgot the rest."""
    monkeypatch.setattr(index, "MOST_SEGMENTS", 2)
    for minute in range(5):
        made.record(tmp_path / "recordings", "door", NOW + 60 * minute, range(3))
    async with (
        inside(data=tmp_path, model="motion", record_free_gb=0) as server,
        httpx2.AsyncClient(base_url=server.http) as http,
    ):
        back = {"from": 20, "to": 10}
        for refused in (
            await http.put("/api/recordings/door/protected", json={**back, "on": True}),
            await http.delete("/api/recordings/door", params=back),
            await http.get("/api/recordings/door", params=back),
            await http.get("/api/search", params={**back, "class": "disc"}),
        ):
            assert refused.status_code == 400
            assert "from 20.000 to 10.000: expected a time that ends after it begins" in refused.text
        time = {"from": 0, "to": 1e11}
        answer = await http.put("/api/recordings/door/protected", json={**time, "on": True})
        assert answer.json() == {"segments": 5}
        assert count(tmp_path, ".keep") == 5
        await http.put("/api/recordings/door/protected", json={"from": NOW, "to": NOW + 200, "on": False})
        assert (await http.delete("/api/recordings/door", params=time)).json() == {"segments": 4}
    assert count(tmp_path, ".mp4") == 1


def test_the_oldest_go_where_it_is_too_much(shelf: Shelf, time: Time) -> None:
    sizes = []
    for minute in range(6):
        sizes.append(record(shelf, "door", NOW + 60 * minute, event=minute == 0).bytes)
        record(shelf, "yard", NOW + 60 * minute)
        time.run(60)
    prune(shelf, limits(own=sum(sizes[3:]) + 1))
    assert kept(shelf) == [NOW, NOW + 240, NOW + 300], "where something happened goes last"
    assert len(kept(shelf, "yard")) == 6
    total = sum(size for size, _, _ in shelf.index.totals().values())
    prune(shelf, limits(size=total - 1))
    assert len(kept(shelf)) + len(kept(shelf, "yard")) == 8
    assert kept(shelf, "yard")[0] == NOW + 60


def test_room_is_made_on_the_disk(shelf: Shelf, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    for minute in range(4):
        record(shelf, "door", NOW + 60 * minute)
        time.run(60)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 0, 1000))
    monkeypatch.setattr(retention, "SPARE", 1.0)
    prune(shelf, limits(free=1001))
    assert kept(shelf) == [NOW + 60, NOW + 120, NOW + 180]


@pytest.mark.parametrize("jump", [DAY, -DAY, 400 * DAY, -400 * DAY])
def test_a_clock_that_jumps_and_is_put_right_deletes_nothing_that_should_stay(
    shelf: Shelf, time: Time, jump: float
) -> None:
    record(shelf, "door", NOW)
    time.run(6 * DAY)
    record(shelf, "door", time.now)
    time.jump(jump)
    record(shelf, "door", time.now)
    for _ in range(6):
        time.run(600)
        assert prune(shelf, limits()) == 0
    time.jump(-jump)
    record(shelf, "door", time.now)
    time.run(0.9 * DAY)
    assert prune(shelf, limits()) == 0 or jump > 0
    assert len(kept(shelf)) >= 3
    time.run(8 * DAY)
    prune(shelf, limits())
    time.run(8 * DAY)
    prune(shelf, limits())
    assert kept(shelf) == [], "wrong clocks keep nothing for ever"


def test_a_wrong_clock_at_the_start_is_not_believed_at_once(tmp_path: Path, time: Time) -> None:
    first = shelf_in(tmp_path / "recordings")
    record(first, "door", NOW)
    first.close()
    time.jump(30 * DAY)
    again = shelf_in(tmp_path / "recordings")
    time.run(3600)
    assert prune(again, limits()) == 0
    again.close()


def test_deletion_never_leaves_the_folder(shelf: Shelf, time: Time, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    segments = [record(shelf, stream, NOW + minute * 60) for stream in ("door", "yard") for minute in range(2)]
    day = shelf.root.video(segments[0].name).parent
    shutil.move(day, outside)  # somebody puts a link in place of a day, and of a whole stream
    day.symlink_to(outside, target_is_directory=True)
    stream = shelf.root.path / "yard"
    shutil.move(stream, tmp_path / "elsewhere")
    stream.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    record(shelf, "lane", NOW)
    before = sorted(tmp_path.rglob("*.mp4"))
    touched: list[Path] = []
    watching = True

    def hook(name: str, given: tuple[object, ...]) -> None:
        if watching and name in ("os.remove", "os.rmdir", "os.rename", "os.truncate", "shutil.rmtree"):
            touched.append(Path(str(given[0])))

    sys.addaudithook(hook)
    time.run(100 * DAY)
    try:
        for name in (segments[0].name, segments[2].name):
            with pytest.raises(OSError, match="leads out"):
                shelf.root.remove(name)
        for name in ("../outside/x", "door/2026-01-01/../../x", "/etc/passwd", "door/2026-01-01/00-00-00.000/../x"):
            with pytest.raises(ValueError, match="no name"):
                shelf.root.remove(name)
        prune(shelf, limits(days=1, events=1))
    finally:
        watching = False
    root = shelf.root.path.resolve()
    assert shelf.index.totals() == {}, "what can't be deleted is not in the way of the others"
    assert touched, "the hook sees what is deleted"
    assert [path for path in touched if root not in (path.parent.resolve() / path.name).parents] == []
    assert {path.name for path in before if "lane" not in path.parts} == {p.name for p in tmp_path.rglob("*.mp4")}
