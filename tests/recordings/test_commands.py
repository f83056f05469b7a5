"""``sightline record`` and ``sightline recordings``."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sightline.cli import app
from sightline.core.errors import ConfigError, SightlineError
from support.inside import inside
from support.shelves import NOW, Time, record, shelf_in


def command(*words: str, data: Path) -> Result:
    """Run a command with that data folder. What it raises is raised."""
    result = CliRunner().invoke(app, words, env={"SIGHTLINE_DATA": str(data), "COLUMNS": "200"})
    if isinstance(result.exception, SightlineError):
        raise result.exception
    return result


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    Time(monkeypatch)
    shelf = shelf_in(tmp_path / "recordings")
    for minute in range(3):
        record(shelf, "door", NOW + 60 * minute)
    record(shelf, "yard", NOW, event=True)
    shelf.protect("door", NOW, NOW + 10, on=True)
    shelf.close()
    return tmp_path


def test_list_says_what_is_there(data: Path) -> None:
    said = command("recordings", "list", data=data).stdout.splitlines()
    door, yard = (next(line for line in said if name in line).split() for name in ("door", "yard"))
    assert (door[1], door[-1], yard[1], yard[-1]) == ("3", "1", "1", "0")


def test_verify_finds_what_is_damaged(data: Path) -> None:
    assert command("recordings", "verify", data=data).exit_code == 0
    video, *_ = sorted((data / "recordings" / "door").rglob("*.mp4"))
    os.truncate(video, video.stat().st_size // 2)
    lines, *_ = sorted((data / "recordings" / "yard").rglob("*.jsonl"))
    lines.write_text(lines.read_text().splitlines()[0])
    found = command("recordings", "verify", data=data)
    assert found.exit_code == 1
    assert len(found.stdout.splitlines()) == 2, found.stdout


def test_rescan_and_prune(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in (data / "recordings").glob("index.sqlite*"):
        file.unlink()
    assert "4 segments" in command("recordings", "rescan", data=data).stderr
    monkeypatch.setenv("SIGHTLINE_RECORD_GB", "0.000001")
    monkeypatch.setenv("SIGHTLINE_RECORD_FREE_GB", "0")
    assert "3 segments" in command("recordings", "prune", data=data).stderr, "one is protected"
    shutil.rmtree(data / "recordings")
    with pytest.raises(ConfigError, match="nothing was recorded here"):
        command("recordings", "list", data=data)


def test_rescan_names_what_it_leaves_out_and_leaves_it_alone(data: Path) -> None:
    """A copy that was cut short lost what there was of it, and nothing told of a video without its lines."""
    short, alone, _ = sorted((data / "recordings" / "door").rglob("*.mp4"))
    os.truncate(short, short.stat().st_size // 2)
    before = short.read_bytes()
    alone.with_suffix(".jsonl").unlink()
    found = command("recordings", "rescan", data=data)
    assert "2 segments" in found.stderr
    assert [line.partition(" is left out: ")[0] for line in found.stdout.splitlines()] == [
        path.relative_to(data / "recordings").with_suffix("").as_posix() for path in (short, alone)
    ]
    assert short.read_bytes() == before
    assert command("recordings", "verify", data=data).exit_code == 0


async def test_a_stream_is_recorded_by_command(tmp_path: Path) -> None:
    async with inside(data=tmp_path, model="motion", record_free_gb=0) as server:

        async def ask(*words: str) -> str:
            return (
                await asyncio.to_thread(command, "record", "door", "--url", server.ws, *words, data=tmp_path)
            ).stderr

        assert "is not recorded: no camera" in await ask("--seconds", "60")
        recorder = server.hub.streams["door"].recorder
        assert recorder is not None
        assert recorder.by_hand
        await ask("--stop")
        assert not recorder.by_hand
    with pytest.raises(SightlineError, match="can't reach"):
        await ask()
