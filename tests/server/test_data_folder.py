"""The data folder: one server has it, and one that can't be used is no reason not to run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sightline.security import files
from sightline.server.app import create_app
from sightline.server.uvicorn_server import Server
from sightline.settings.settings import load_settings
from support.inside import inside


async def test_a_second_server_with_the_same_folder_ends_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept its events in memory, and wrote its zones and counts over those of the first one."""
    monkeypatch.setattr(files, "HOLD_S", 0.1)
    settings = load_settings(port=0, model="motion", data=tmp_path)
    async with inside(data=tmp_path):
        second = Server(create_app(settings), settings)
        await asyncio.to_thread(second.serve_forever)
        assert second.failure is not None
        assert f"another server has {tmp_path}: choose another folder" in second.failure
    async with inside(data=tmp_path) as third:
        journal = third.hub.listeners.journal
        assert journal is not None
        assert journal.failing is None, "the folder is free again"


async def why_not(folder: Path) -> str | None:
    """Start a server with this folder, and return why it does not come up; None where it does."""
    settings = load_settings(port=0, model="motion", data=folder)

    def up(*_: object) -> None:
        server.should_exit = True

    server = Server(create_app(settings), settings, up)
    await asyncio.to_thread(server.serve_forever)
    return server.failure


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.json")}


async def test_a_folder_of_a_later_version_is_left_alone_in_words(tmp_path: Path) -> None:
    """An earlier server put aside the cameras that it did not understand, and wrote others in their place."""
    (tmp_path / "cameras.json").write_text('{"door": {"name": "Front door", "of_a_later_version": 1}}')
    (tmp_path / "VERSION").write_text("2\n")
    before = content(tmp_path)
    why = await why_not(tmp_path)
    assert why is not None
    assert f"the data folder {tmp_path} is of a later Sightline (version 2 of the folder): expected at most 1" in why
    assert content(tmp_path) == before
    (tmp_path / "VERSION").write_text("two")
    assert "got b'two', expected a whole number" in str(await why_not(tmp_path))


async def test_a_folder_has_its_version_from_the_first_start_on(tmp_path: Path) -> None:
    (tmp_path / "cameras.json").write_text('{"door": {"name": "Front door"}}')
    for _ in range(2):
        async with inside(data=tmp_path) as server:
            told = json.loads(await asyncio.to_thread(server.get, "/api/streams/door"))
            assert told["display_name"] == "Front door"
        assert (tmp_path / "VERSION").read_text() == "1\n"


@pytest.mark.parametrize("name", ["cameras.json", "zones.json", "outputs.json", "push.json", "shares.key", "push.pem"])
async def test_a_file_that_can_not_be_read_is_no_file_that_is_no_good(tmp_path: Path, name: str) -> None:
    """After a copy was restored that belongs to somebody else, all was put aside, and the server began anew."""
    (tmp_path / name).symlink_to(name)  # which root can't read either
    why = await why_not(tmp_path)
    assert why is not None
    assert f"can't read {tmp_path / name}: " in why
    assert "chown -R" in why
    assert (tmp_path / name).is_symlink()


async def test_what_is_no_good_is_put_aside_under_a_name_of_its_own_each_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = ["cameras.json", "outputs.json", "push.json", "shares.json", "zones.json"]
    for life in ("first", "second"):
        for name in files:
            (tmp_path / name).write_text(life)
        (tmp_path / "shares.key").write_bytes(bytes(32))
        for folder, database in (("events", "events.db"), ("recordings", "index.sqlite")):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / database).write_bytes(life.encode() * 1000)
        async with inside(data=tmp_path):
            pass
    for name in files:
        assert [(tmp_path / f"{name}.bad{n}").read_text() for n in ("", "2")] == ["first", "second"]
        assert f"it is kept as {name}.bad2" in caplog.text or f"the file is kept as {name}.bad2" in caplog.text
    for path in (tmp_path / "events" / "events.db", tmp_path / "recordings" / "index.sqlite"):
        aside = [path.with_name(f"{path.name}.bad{n}").read_bytes()[:5] for n in ("", "2")]
        assert aside == [b"first", b"secon"]


async def test_a_folder_that_can_not_be_used_is_named_and_the_server_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "events", "recordings"):
        (tmp_path / name / "lock").mkdir(parents=True)
    async with inside(data=tmp_path) as server:
        assert await asyncio.to_thread(server.get, "/health")
    assert f"events are kept in memory only: can't write to {tmp_path / 'events'}" in caplog.text
    assert f"nothing can be recorded: can't write to {tmp_path / 'recordings'}" in caplog.text
