"""What a server can't read, of somebody else or of a later version, is never deleted."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sightline.core.errors import ConfigError
from sightline.recordings.exports import Exports
from sightline.recordings.mp4 import PictureFrames
from sightline.recordings.recordings import Recordings
from sightline.recordings.shelf import Shelf
from sightline.settings.settings import Settings, load_settings
from support.shelves import NOW, record, shelf_in, take

EXPORT = {"id": "abc", "stream": "door", "start": NOW, "end": NOW + 5, "made_at": NOW, "state": "done"}


def recordings(settings: Settings) -> Recordings:
    return Recordings(settings, lambda _: "off", lambda _: "", lambda _: False)


async def exports(folder: Path) -> list[str]:
    settings = load_settings(data=folder)
    made = Exports(settings, recordings(settings))
    await made.open()
    found = [one.id for one in made]
    await made.close()
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_exports_that_can_not_be_read_stay_and_what_was_not_finished_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "abc.json").write_text(json.dumps({**EXPORT, "kind": "recorded"}))
    (folder / "later.json").write_text(json.dumps({**EXPORT, "id": "later", "kind": "of a later version"}))
    (folder / "other.json").symlink_to("other.json")  # which root can't read either
    for name in ("abc.mp4", "later.mp4", "other.mp4", "unfinished.mp4", "cut.part.mp4"):
        (folder / name).write_bytes(b"video")
    assert await exports(tmp_path) == ["abc"]
    assert names(folder) == ["abc.json", "abc.mp4", "later.json", "later.mp4", "other.json", "other.mp4"]
    assert "later.json can't be read, and is left alone" in caplog.text
    (folder / "later.json").write_text(json.dumps({**EXPORT, "id": "later", "kind": "blurred"}))
    assert sorted(await exports(tmp_path)) == ["abc", "later"], "the version that can read it has it again"


def test_what_was_being_recorded_stays_where_its_files_can_not_be_read(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path / "recordings")
    segment = shelf.begin("door", take(NOW))
    for seq in range(6):
        segment.add(take(NOW + seq, seq), PictureFrames())
    segment.abandon()
    lines, video = shelf.root.lines(segment.row.name), shelf.root.video(segment.row.name)
    whole = lines.read_bytes()
    lines.unlink()
    lines.mkdir()  # which is there, and can't be read
    shelf.settle_all()
    assert video.exists()
    shelf.close()
    lines.rmdir()
    lines.write_bytes(whole)
    again = Shelf(tmp_path / "recordings")
    again.settle_all()
    assert [one.frames for one in again.index.segments("door", 0, 1e11)] == [5]
    again.close()


def test_an_index_that_is_torn_is_made_anew(tmp_path: Path) -> None:
    shelf = shelf_in(tmp_path / "recordings")
    row = record(shelf, "door", NOW)
    shelf.close()
    path = tmp_path / "recordings" / "index.sqlite"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    again = Shelf(tmp_path / "recordings")
    assert again.index.fresh
    again.rescan()
    assert [one.name for one in again.index.segments("door", 0, 1e11)] == [row.name]
    assert path.with_name("index.sqlite.bad").stat().st_size == size
    again.close()


async def test_an_index_of_a_later_version_is_left_alone_in_words(tmp_path: Path) -> None:
    shelf_in(tmp_path / "recordings").close()
    path = tmp_path / "recordings" / "index.sqlite"
    database = sqlite3.connect(path)
    database.executescript("PRAGMA user_version = 7; PRAGMA journal_mode = DELETE;")
    database.close()
    before = path.read_bytes()
    one = recordings(load_settings(data=tmp_path))
    await one.open()
    assert one.stopped == f"nothing can be recorded: {path} is of a later Sightline (tables 7): expected at most 1"
    await one.close()
    with pytest.raises(ConfigError, match="is of a later Sightline"):
        Shelf(tmp_path / "recordings")
    assert path.read_bytes() == before
