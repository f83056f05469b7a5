"""Clips that were taken elsewhere become recordings: at their own time, with results, whole or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
from av.video.stream import VideoStream
from typer.testing import CliRunner

from sightline.cli import app
from sightline.core.errors import ConfigError, SightlineError, SourceError
from sightline.models import motion
from sightline.offline.clip_import import ClipImport, ImportedFile, Stopped, clips_in
from sightline.recordings.clip_time import time_of
from sightline.recordings.imported import ASIDE, Aside
from sightline.recordings.playback import thumbnail
from sightline.recordings.shelf import Shelf
from sightline.settings.stream import Tracking
from support.clips import moving
from support.inside import inside
from support.recorded import pieces
from support.serving import picture, serving

TAKEN = datetime(2026, 11, 20, 8, 15, tzinfo=UTC).timestamp()
NAME = "VID_20261120_081500.mp4"
FRAMES = 40
ROOM = {"SIGHTLINE_RECORD_FREE_GB": "0"}


def clip(
    path: Path, *, frames: int = FRAMES, created: str = "", codec: str = "libx264", size: tuple[int, int] = (160, 120)
) -> Path:
    """A clip of a white square that walks, with the time that the file says itself."""
    with av.open(str(path), "w") as container:
        if created:
            container.metadata["creation_time"] = created
        stream = container.add_stream(codec, rate=10)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(frames):
            image = np.ascontiguousarray(moving(number, *size))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    (tmp_path / "recordings").mkdir()
    return Shelf(tmp_path / "recordings")


def work(shelf: Shelf, *, foreign: bool = False, free: float = 0) -> ClipImport:
    return ClipImport(shelf, "hall", motion.create(), stages=(), tracking=Tracking(), free_bytes=free, foreign=foreign)


def add(shelf: Shelf, path: Path) -> ImportedFile:
    return work(shelf).add(path, lambda: False)


def nothing_left(shelf: Shelf) -> None:
    assert not [one for one in (shelf.root.path / ASIDE).iterdir() if one.is_dir()]
    assert list(shelf.root.names()) == []
    assert shelf.index.closed() == []


def test_the_time_is_the_files_else_its_names_else_when_it_was_written(tmp_path: Path) -> None:
    said = clip(tmp_path / "VID_20200101_000000.mp4", created="2026-11-20T08:15:00.000000Z")
    assert time_of(said)[:2] == (TAKEN, "the file")
    named = clip(tmp_path / "door 2026-11-20 08.15.00 (2).mkv")
    assert time_of(named)[:2] == (datetime(2026, 11, 20, 8, 15).timestamp(), "its name")
    unset = clip(tmp_path / "20269999_999999.mp4", created="1904-01-01T00:00:00.000000Z")
    os.utime(unset, (TAKEN, TAKEN))
    assert time_of(unset).by == "when it was last written"
    assert time_of(unset).at == pytest.approx(TAKEN - FRAMES / 10, abs=0.2)


def test_a_clip_becomes_a_recording_that_is_kept(shelf: Shelf, tmp_path: Path) -> None:
    done = add(shelf, clip(tmp_path / "a.mp4", created="2026-11-20T08:15:00Z"))
    assert (done.at, done.by, done.frames, done.segments, done.why) == (TAKEN, "the file", FRAMES, 1, "")
    (piece,) = pieces(shelf.root.path, "hall")
    assert piece.ended
    assert [round(line["at"] - TAKEN, 2) for line in piece.lines] == [n / 10 for n in range(FRAMES)]
    found = [line["result"]["detections"] for line in piece.lines[12:]]
    assert sum(bool(one) for one in found) > 20, "the square was seen"
    (row,) = shelf.index.closed()
    assert (row.frames, row.protected, row.started_at) == (FRAMES, True, TAKEN)
    assert shelf.root.kept(row.name), "older than anything is kept, it would be gone within seconds"
    assert shelf.index.search("motion", None, TAKEN, TAKEN + 10, 9)
    assert thumbnail(shelf.root.path, "hall", TAKEN + 1, 80)[:2] == b"\xff\xd8"
    assert shelf.rescan() == 1
    assert shelf.index.closed()[0].protected
    assert not [one for one in (shelf.root.path / ASIDE).iterdir() if one.is_dir()]
    again = add(shelf, tmp_path / "a.mp4")
    assert not again.imported
    assert "recorded at that time already" in again.why
    shelf.close()


@pytest.mark.parametrize(
    ("name", "codec", "size"),
    [
        ("a.avi", "mjpeg", (160, 120)),
        ("a.webm", "libvpx", (161, 121)),
        ("a.ts", "mpeg2video", (176, 144)),
        ("a.mkv", "libx265", (160, 120)),
    ],
)
def test_whatever_can_be_decoded_is_imported(
    shelf: Shelf, tmp_path: Path, name: str, codec: str, size: tuple[int, int]
) -> None:
    path = clip(tmp_path / name, codec=codec, size=size, frames=12)
    done = add(shelf, path)
    assert (done.frames, done.segments, done.why) == (12, 1, "")
    assert len(pieces(shelf.root.path, "hall")[0].lines) == 12
    shelf.close()


def test_files_that_were_copied_at_once_are_told_the_way(shelf: Shelf, tmp_path: Path) -> None:
    """Nothing but the time at which they were written tells when they were taken, and that is the same."""
    for name in ("a.mkv", "b.mkv"):
        os.utime(clip(tmp_path / name), (TAKEN, TAKEN))
    assert add(shelf, tmp_path / "a.mkv").imported
    second = add(shelf, tmp_path / "b.mkv")
    assert not second.imported
    assert "as when it was last written says; " in second.why
    assert "put its time into its name (20261130_081500)" in second.why
    shelf.close()


def test_what_is_broken_is_named_and_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.mp4").read_bytes()
    for name, data, why in (
        ("empty.mp4", b"", "can't be read as a video"),
        ("text.txt", b"hello" * 100, "expected a video"),
        ("photo.jpg", picture(), "expected a video"),
        ("half.mp4", whole[: len(whole) // 2], "can't be read as a video"),
    ):
        (tmp_path / name).write_bytes(data)
        done = add(shelf, tmp_path / name)
        assert not done.imported
        assert why in done.why, done.why
        assert str(tmp_path) not in done.why
        nothing_left(shelf)
    with pytest.raises(SourceError):
        clips_in(tmp_path / "none")
    shelf.close()


def test_a_playlist_of_a_stranger_is_not_followed(shelf: Shelf, tmp_path: Path) -> None:
    clip(tmp_path / "a.ts", codec="mpeg2video", size=(176, 144))
    playlist = tmp_path / "list.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n")
    done = work(shelf, foreign=True).add(playlist, lambda: False)
    assert not done.imported
    nothing_left(shelf)
    shelf.close()


def test_stopping_a_full_disk_or_a_failing_model_leaves_nothing(shelf: Shelf, tmp_path: Path) -> None:
    path = clip(tmp_path / NAME, frames=200)
    calls = iter(range(1000))
    with pytest.raises(Stopped):
        work(shelf).add(path, lambda: next(calls) > 20)
    nothing_left(shelf)
    done = work(shelf, free=1e18).add(path, lambda: False)
    assert "the disk is full" in done.why
    nothing_left(shelf)
    broken = work(shelf)
    broken._model.predict = lambda *_, **__: 1 / 0  # type: ignore[assignment, method-assign]
    assert not broken.add(path, lambda: False).imported
    nothing_left(shelf)
    shelf.close()


KILLED = """
import os, sys
from pathlib import Path
from sightline.models import motion
from sightline.offline.clip_import import ClipImport
from sightline.recordings.imported import Aside
from sightline.recordings.index import Index
from sightline.recordings.shelf import Shelf
from sightline.settings.stream import Tracking

folder, clip, when = sys.argv[1:]
setattr(*{"moved": (Index, "replace"), "listed": (Aside, "__exit__")}[when], lambda *_, **__: os.kill(os.getpid(), 9))
how = {"stages": (), "tracking": Tracking(), "free_bytes": 0, "foreign": False}
ClipImport(Shelf(Path(folder)), "hall", motion.create(), **how).add(Path(clip), lambda: False)
"""


@pytest.mark.parametrize(("when", "whole"), [("moved", 0), ("listed", 1)])
async def test_a_clip_whose_import_was_killed_is_gone_or_listed_after_the_next_start(
    tmp_path: Path, when: str, whole: int
) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    given = [sys.executable, "-c", KILLED, str(folder), str(clip(tmp_path / NAME, frames=12)), when]
    assert (await asyncio.to_thread(subprocess.run, given, check=False)).returncode == -signal.SIGKILL
    assert len(list(folder.glob("hall/*/*.mp4"))) == 1, "it was moved"
    async with inside(data=tmp_path, model="motion", record_free_gb=0) as server:
        told = json.loads(await asyncio.to_thread(server.get, "/api/recordings/hall"))
    assert len(told["segments"]) == whole
    assert len(pieces(folder, "hall")) == whole
    assert len(list(folder.glob("hall/*/*"))) == 3 * whole, "nothing else of it is left"
    assert [one.name for one in (folder / ASIDE).iterdir()] == ["lock"]
    shelf = Shelf(folder)
    assert add(shelf, tmp_path / NAME).imported == (not whole)
    shelf.close()


def test_one_import_at_a_time(shelf: Shelf) -> None:
    with Aside(shelf), pytest.raises(ConfigError, match="one at a time"), Aside(shelf):
        pass
    shelf.close()


def test_on_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    (folder / "more").mkdir(parents=True)
    clip(folder / NAME, frames=12)
    clip(folder / "more" / "VID_20261121_081500.mp4", frames=12)
    (folder / ".hidden").write_bytes(b"x")
    (folder / "link.mp4").symlink_to(folder / NAME)
    (folder / "broken.mp4").write_bytes(b"broken")
    env = {"SIGHTLINE_DATA": str(tmp_path), "SIGHTLINE_RECORD_FREE_GB": "0"}
    given = ["recordings", "import", str(folder), "--stream", "hall", "--model", "motion"]
    answer = CliRunner().invoke(app, given, env=env)
    assert answer.exit_code == 1, answer.output
    assert "2 of 3 files are imported into hall" in answer.stderr
    assert f"{NAME}: 12 frames from 2026-11-20 08:15:00, as its name says" in answer.stderr
    assert "broken.mp4: not imported" in answer.stderr
    assert len(pieces(tmp_path / "recordings", "hall")) == 2
    answer = CliRunner().invoke(app, [*given[:2], str(tmp_path / "none"), *given[3:]], env=env)
    assert isinstance(answer.exception, SightlineError)


async def test_a_server_imports_below_its_media_folder_alone(tmp_path: Path) -> None:
    media = tmp_path / "media"
    (media / "day").mkdir(parents=True)
    clip(media / "day" / NAME, frames=12)
    (media / "day" / "broken.mp4").write_bytes(b"broken")
    clip(tmp_path / "outside.mp4", frames=12)
    (media / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    async with (
        serving("--model", "motion", data=tmp_path, env={"SIGHTLINE_MEDIA_FOLDER": str(media)} | ROOM) as server,
    ):

        async def add(path: str, **more: str) -> tuple[int, dict[str, Any]]:
            answer = await server.http.post("/api/imports", json={"stream": "hall", "path": path, **more})
            return answer.status_code, answer.json()

        for path in ("../outside.mp4", str(tmp_path / "outside.mp4"), "link.mp4", "none.mp4", "rtsp://127.0.0.1/x"):
            status, said = await add(path)
            assert status == 400, path
            assert "media_folder" in said["error"]["message"], said
        assert (await add("day", model="none"))[0] == 422
        status, made = await add("day")
        assert (status, made["state"], made["model"]) == (201, "running", "motion")
        done = await server.until(lambda told: told["state"] != "running", path=f"/api/imports/{made['id']}")
        assert (done["state"], done["imported"], done["refused"]) == ("done", 1, 1), done
        assert [(one["name"], one["frames"], bool(one["why"])) for one in done["files"]] == [
            (NAME, 12, False),
            ("broken.mp4", 0, True),
        ]
        (segment,) = (await server.get("/api/recordings/hall"))["segments"]
        assert (segment["frames"], segment["protected"]) == (12, True)
        clip(media / "long.mp4", frames=3000, size=(64, 48))
        _, long = await add("long.mp4")
        assert (await add("day"))[0] == 429
        await server.until(lambda told: told["frames"] > 0, path=f"/api/imports/{long['id']}")
        assert (await server.http.delete(f"/api/imports/{long['id']}")).status_code == 204
        assert len((await server.get("/api/recordings/hall"))["segments"]) == 1
        assert (await server.http.get(f"/api/imports/{long['id']}")).status_code == 404
        assert len((await server.get("/api/imports"))["imports"]) == 1


async def test_an_import_whose_process_does_not_start_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(tmp_path / NAME, frames=2)
    async with inside(media_folder=tmp_path) as server, httpx2.AsyncClient(base_url=server.http) as http:
        monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
        for _ in range(2):  # and the next one gets its turn
            made = await http.post("/api/imports", json={"stream": "hall", "path": NAME})
            assert made.status_code == 201, made.text
            path = f"/api/imports/{made.json()['id']}"
            async with asyncio.timeout(30):
                while (found := (await http.get(path)).json())["state"] == "running":  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.02)
            assert found["state"] == "failed"
            assert "can't be started" in found["why"]
