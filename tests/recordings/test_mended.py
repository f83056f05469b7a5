"""Files that were cut off at any place, and an index that is lost: what is whole is found, and nothing else."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict

from sightline.recordings import lines, mend
from sightline.recordings.index import Gap
from sightline.recordings.mp4 import PictureFrames
from sightline.recordings.shelf import Shelf
from sightline.recordings.unscheduled import UNSCHEDULED
from support.recorded import piece
from support.shelves import DAY, NOW, record, shelf_in, take

FRAMES = 12


@pytest.fixture(scope="module")
def cut() -> Iterator[tuple[Path, str]]:
    """A folder with a segment whose writer died."""
    with tempfile.TemporaryDirectory() as folder:
        shelf = shelf_in(Path(folder) / "recordings")
        segment = shelf.begin("door", take(NOW))
        for seq in range(FRAMES):
            segment.add(take(NOW + seq, seq), PictureFrames())
        segment.abandon()
        shelf.close()
        yield Path(folder) / "recordings", segment.row.name


@given(st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=40)
def test_what_is_whole_in_both_files_is_kept(cut: tuple[Path, str], video: float, beside: float) -> None:
    folder, name = cut
    with tempfile.TemporaryDirectory() as copied:
        root = shutil.copytree(folder, Path(copied) / "recordings")
        for path, share in ((root / f"{name}.mp4", video), (root / f"{name}.jsonl", beside)):
            data = path.read_bytes()
            path.write_bytes(data[: round(len(data) * share)])
        shelf = Shelf(root)
        found = mend.mended(shelf.root, name)
        if video == beside == 1:
            assert found is not None
            assert found[0].frames == FRAMES - 1, "the newest frame's fragment is written with the next one"
        if found is not None:
            row, seen = found
            whole = piece(root / f"{name}.mp4")
            assert len(whole.lines) == row.frames == len(whole.times)
            assert row.bytes == (root / f"{name}.mp4").stat().st_size
            assert whole.lines[-1]["at"] == row.ended_at
            assert seen.motion
        shelf.settle_all()
        assert [one.frames for one in shelf.index.segments("door", 0, 1e11)] == ([found[0].frames] if found else [])
        assert list(shelf.root.names()) == ([name] if found else []), "nothing stays of what is nothing"
        shelf.close()


def test_the_index_is_made_anew_from_the_files(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path / "recordings")
    record(shelf, "door", NOW)
    record(shelf, "door", NOW + 60, event=True)
    record(shelf, "yard", NOW + 7)
    shelf.protect("yard", NOW, NOW + 60, on=True)
    before = [shelf.index.segments(stream, 0, 1e11) for stream in ("door", "yard")]
    marks = asdict(shelf.index.marks("door", NOW, NOW + 120, 10))
    dogs = shelf.index.search("dog", None, 0, 1e11, 10)
    assert len(dogs) == 3
    shelf.close()
    for file in (tmp_path / "recordings").glob("index.sqlite*"):
        file.write_bytes(b"no database" * 100)
    shelf = Shelf(tmp_path / "recordings")
    assert shelf.index.fresh
    assert shelf.rescan() == 3
    after = [shelf.index.segments(stream, 0, 1e11) for stream in ("door", "yard")]
    for old, new in zip((*before[0], *before[1]), (*after[0], *after[1]), strict=True):
        old.id, new.id, old.kept_at, new.kept_at = 0, 0, 0.0, 0.0
        assert old == new
    assert asdict(shelf.index.marks("door", NOW, NOW + 120, 10)) == marks
    assert shelf.index.search("dog", None, 0, 1e11, 10) == dogs
    shutil.rmtree(tmp_path / "recordings" / "yard")
    assert shelf.rescan() == 2
    assert shelf.index.segments("yard", 0, 1e11) == []
    shelf.close()


def test_an_index_that_is_made_anew_knows_the_gaps_and_why(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path / "recordings")
    record(shelf, "door", NOW)
    for lasted in (10, 20, 3000):
        shelf.gap("door", Gap(NOW + 60, NOW + 60 + lasted, UNSCHEDULED))
    shelf.gap("door", Gap(NOW + 4000, NOW + 4010, "no camera"))
    shelf.gap("yard", Gap(NOW - DAY, NOW - DAY + 5, "disk full"))
    beside = sorted((tmp_path / "recordings").glob("*/*/gaps.jsonl"))
    assert [len(file.read_text().splitlines()) for file in beside] == [2, 1], "one that lasts is one line"
    with beside[0].open("a") as file:
        file.write('{"from": 1')
    gaps = shelf.index.gaps("door", 0, 1e11), shelf.index.gaps("yard", 0, 1e11)
    shelf.close()
    for path in (tmp_path / "recordings").glob("index.sqlite*"):
        path.unlink()
    shelf = Shelf(tmp_path / "recordings")
    assert shelf.rescan() == 1
    assert (shelf.index.gaps("door", 0, 1e11), shelf.index.gaps("yard", 0, 1e11)) == gaps
    shelf.forget_gaps(NOW)
    assert not beside[1].parent.parent.exists(), "nothing else was there"
    assert shelf.rescan() == 1
    assert (shelf.index.gaps("door", 0, 1e11), shelf.index.gaps("yard", 0, 1e11)) == (gaps[0], [])
    shelf.close()


@given(st.sets(st.tuples(st.integers(0, 40), st.sampled_from(["dog", "cat"])), max_size=40), st.integers(1, 7))
@settings(max_examples=12)
def test_marks_and_search_say_what_was_seen(seen: set[tuple[int, str]], page: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shelf = shelf_in(Path(folder) / "recordings")
        for stream in ("door", "yard"):
            row = record(shelf, stream, NOW, frames=1)
            summary = lines.Summary()
            for span, name in sorted(seen):
                summary.add(NOW + span * 10 + 3, 0.5, {name: span % 3 + 1})
            shelf.index.update(row, summary)
        marks = shelf.index.marks("door", NOW, NOW + 410, 10)
        for name in ("dog", "cat"):
            counts = marks.classes.get(name, [0] * 41)
            found = {span for span, count in enumerate(counts) if count}
            wanted = {span for span, one in seen if one == name} | ({0} if name == "dog" else set())
            assert found == wanted
            first = {span for span in wanted if not wanted & {span - 1, span - 2}}
            sightings: list[tuple[float, str]] = []
            after = None
            while True:
                part = shelf.index.search(name, None, 0, 1e11, page, after)
                sightings += [(one.at, one.stream) for one in part]
                if len(part) < page:
                    break
                after = sightings[-1]
            assert sorted((int((at - NOW) // 10), stream) for at, stream in sightings) == sorted(
                (span, stream) for span in first for stream in ("door", "yard")
            )
        shelf.close()
