"""Programs of the operator's that are run for alerts: real ones, with all that they may do wrong."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sightline.core.errors import ConfigError
from sightline.core.events import Event
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._service import check_outputs, dispatchers
from sightline.outputs.base import Item
from sightline.outputs.command import CommandOutput, CommandSettings
from sightline.settings.outputs import OutputTable
from sightline.streams.hub import Hub
from support.streams import Recorder, make_hub, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs are shell scripts")


def alert(number: int) -> Event:
    return Event(
        id=f"a{number}", stream="door", phase="start", kind="rule", at=1.5, seq=1, rule="x", actions=("command",)
    )


def script(folder: Path, text: str) -> list[str]:
    """A program that does that."""
    path = folder / "program.sh"
    path.write_text(f"#!/bin/sh\ncd {folder}\n{text}\n")
    path.chmod(0o700)
    return [str(path)]


@asynccontextmanager
async def running(*command: str, **more: Any) -> AsyncGenerator[tuple[Callable[..., None], Dispatcher]]:
    """A hub whose alerts run a program, stopped as a server stops it. Gives what emits alerts."""
    hub: Hub = make_hub()
    table = OutputTable.model_validate({"kind": "command", "command": command} | more)
    async with dispatchers(hub, [table]) as (only,):
        stream = hub.take("door", Recorder())
        await asyncio.sleep(0)
        yield stream.emit, only
        hub.close("the server is shutting down")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


async def test_a_program_gets_the_event_on_its_input_and_no_setting_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_OUTPUTS_SECRET", "s3cret")
    program = script(tmp_path, 'cat > event; env > environment; printf "%s\\n" "$@" > arguments; echo done > done')
    async with running(*program, "$(touch shell)", "; touch shell") as (emit, only):
        emit(alert(1), Event(id="e", stream="door", phase="start", kind="zone", at=1.5, seq=1))
        await until(lambda: (tmp_path / "done").exists())
        assert (only.sent, only.lost, only.trouble) == (1, 0, None), "events that are no alerts run nothing"
    told = json.loads((tmp_path / "event").read_text())
    assert (told["id"], told["rule"]) == ("a1", "x")
    assert "SIGHTLINE" not in (tmp_path / "environment").read_text()
    assert (tmp_path / "arguments").read_text() == "$(touch shell)\n; touch shell\n"
    assert not (tmp_path / "shell").exists()


async def test_a_picture_is_a_file_for_as_long_as_the_program_runs(tmp_path: Path) -> None:
    program = script(tmp_path, 'echo "$SIGHTLINE_PICTURE" > path; cat "$SIGHTLINE_PICTURE" > copy; echo > done')
    output = CommandOutput(CommandSettings.model_validate({"kind": "command", "command": program}))
    await output.send([Item("events", "door", b"{}", alert(1), b"\xff\xd8 a picture")])
    await until(lambda: (tmp_path / "done").exists())
    path = Path((tmp_path / "path").read_text().strip())
    await until(lambda: not path.parent.exists())
    assert (tmp_path / "copy").read_bytes() == b"\xff\xd8 a picture"
    await output.close()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("exit 3", "it ended with status 3"),
        ("sleep 1000 & echo $! > child; wait", "it took longer than 0.5 s and was killed"),
        ("trap '' TERM HUP INT; sleep 1000 & echo $! > child; wait; wait", "it took longer than 0.5 s and was killed"),
        ("sleep 1000 & echo $! > child; exit 1", "it ended with status 1"),
        ("kill -9 $$", "it ended with status -9"),
    ],
)
async def test_what_fails_is_counted_and_nothing_of_it_stays(tmp_path: Path, text: str, why: str) -> None:
    async with running(*script(tmp_path, text), timeout_s=0.5) as (emit, only):
        emit(alert(1))
        await until(lambda: only.lost == 1)
        assert (only.sent, only.trouble) == (0, why)
        child = tmp_path / "child"
        if child.exists():
            pid = int(child.read_text())
            await until(lambda: not alive(pid))


async def test_so_many_run_at_a_time_and_the_others_wait(tmp_path: Path) -> None:
    text = 'echo begin >> log; read event; while [ ! -e "go" ]; do sleep 0.02; done; echo end >> log'
    async with running(*script(tmp_path, text), at_once=3) as (emit, only):
        log = tmp_path / "log"
        emit(*map(alert, range(10)))
        await until(lambda: log.exists() and log.read_text().count("begin") == 3)
        assert only.waiting + only.sent == 10
        assert only.waiting >= 6
        (tmp_path / "go").touch()
        await until(lambda: log.read_text().count("end") == 10)
        assert only.lost == 0


async def test_what_a_program_prints_is_logged_in_quotes_and_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    program = script(tmp_path, r'printf "\033[31mred\n"; head -c 9000000 /dev/zero; echo >&2; echo > done')
    async with running(*program) as (emit, _):
        emit(alert(1))
        await until(lambda: any("said" in record.getMessage() for record in caplog.records))
    (said,) = [record.getMessage() for record in caplog.records if "said" in record.getMessage()]
    assert said.startswith("command program.sh said: '\\x1b[31mred\\n\\x00")
    assert said.endswith("' and more")
    assert len(said) < 3000


async def test_what_runs_when_the_server_stops_is_killed(tmp_path: Path) -> None:
    program = script(tmp_path, "sleep 1000 & echo $! > child.new; mv child.new child; wait")
    async with running(*program) as (emit, _):
        emit(alert(1))
        await until(lambda: (tmp_path / "child").exists())
    pid = int((tmp_path / "child").read_text())
    await until(lambda: not alive(pid))


def test_a_program_that_is_not_there_is_told_before_the_server_starts() -> None:
    table = OutputTable.model_validate({"kind": "command", "command": ["no-such-program-here", "s3cret"]})
    with pytest.raises(ConfigError, match=r"command: there is no program 'no-such-program-here'") as e:
        check_outputs([table])
    assert "s3cret" not in str(e.value)
    with pytest.raises(ConfigError, match="command"):
        check_outputs([OutputTable.model_validate({"kind": "command", "command": []})])
    with pytest.raises(ConfigError, match="command"):
        check_outputs([OutputTable.model_validate({"kind": "command", "command": "rm -rf /"})])
