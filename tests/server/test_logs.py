"""The server's log is one that peers can't write in."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.errors import NO_THREAD, ConfigError, shortage
from sightline.server import logs
from support.serving import serving
from support.tcp_peer import tcp_peer

FORGED = "x\n12:00:00 INFO    sightline.access  token deadbeef was used by admin\n\x1b[31mred\x1b]0;owned\x07"


@pytest.fixture(params=["test.logs"])
def written(request: pytest.FixtureRequest) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with the server's handler, and what it writes."""
    stream, log = io.StringIO(), logging.getLogger(request.param)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.OneLine("%(levelname)s %(message)s"))
    handler.addFilter(logs.Flood())
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    yield log, stream
    log.removeHandler(handler)


@given(st.text(max_size=2000))
def test_a_message_is_one_printable_line(text: str) -> None:
    record = logging.LogRecord("n", logging.INFO, "p", 1, "peer said %s", (text,), None)
    line = logs.OneLine("%(message)s").format(record)
    assert line.isprintable()
    assert len(line) <= logs.MOST + 40


@given(st.text(max_size=2000), st.text(max_size=2000))
def test_a_record_is_one_json_object_in_one_line(text: str, raised: str) -> None:
    try:
        raise ValueError(raised)
    except ValueError:
        failed = sys.exc_info()
    record = logging.LogRecord("n", logging.WARNING, "p", 1, "peer said %s", (text,), failed)
    line = logs.JsonLine().format(record)
    assert line.isascii()
    assert line.isprintable()
    told = json.loads(line)
    assert told["message"].startswith(f"peer said {text}"[: logs.MOST])
    assert (told["level"], told["logger"]) == ("warning", "n")
    assert datetime.fromisoformat(told["time"]).timestamp() == pytest.approx(record.created, abs=0.001)
    assert raised in told["exception"]
    del failed


@given(st.text(max_size=200))
def test_no_line_of_a_traceback_looks_like_a_record(raised: str) -> None:
    try:
        raise ValueError(raised)
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, "p", 1, "it failed", (), sys.exc_info())
    first, *more = logs.OneLine("%(message)s").format(record).split("\n")
    assert first == "it failed"
    assert more
    assert all(line.startswith("    ") and line.isprintable() for line in more)


LOGGING = """
import logging, sys
from pathlib import Path
from sightline.server import logs

logs.FILE_BYTES, logs.BURST = int(sys.argv[3]), int(sys.argv[4])
logs.set_up("info", sys.argv[1], Path(sys.argv[2]))
for n in range(200):
    logging.getLogger("test").info("number %d", n)
"""


def logged(form: str, file: Path, *, file_bytes: int, burst: int) -> list[str]:
    """Log 200 lines in a process of its own. Returns the lines on its standard error."""
    arguments = [form, str(file), str(file_bytes), str(burst)]
    done = subprocess.run(
        [sys.executable, "-c", LOGGING, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stderr.splitlines()


def test_a_full_log_file_makes_room_for_the_next(tmp_path: Path) -> None:
    assert len(logged("json", tmp_path / "log", file_bytes=1000, burst=1000)) == 200
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["log", *(f"log.{n}" for n in range(1, logs.FILES + 1))]
    assert all(file.stat().st_size <= 1000 for file in files)
    newest_last = [*files[:0:-1], files[0]]
    said = [json.loads(line)["message"] for file in newest_last for line in file.read_text().splitlines()]
    assert said == [f"number {n}" for n in range(200 - len(said), 200)]


def test_a_flood_is_counted_once_for_both_places(tmp_path: Path) -> None:
    shown = logged("text", tmp_path / "log", file_bytes=10**6, burst=10)
    written = (tmp_path / "log").read_text().splitlines()
    assert len(shown) == len(written) == 10
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO", line) for line in written)


def test_a_log_file_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"log_file .*nowhere"):
        logs.set_up("info", "text", tmp_path / "nowhere" / "log")


class Stuck(logging.Handler):
    """A disk that hangs until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.free, self.lines = threading.Event(), list[str]()

    def emit(self, record: logging.LogRecord) -> None:
        self.free.wait(60)
        self.lines.append(record.getMessage())


def test_a_disk_that_hangs_holds_up_nobody_and_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "WAITING", 100)
    stuck = Stuck()
    behind = logs.Behind(stuck)
    for n in range(500):
        behind.handle(logging.LogRecord("n", logging.INFO, "p", 1, "number %d", (n,), None))
    assert stuck.lines == []
    stuck.free.set()
    while not behind.queue.empty():
        time.sleep(0.001)
    behind.handle(logging.LogRecord("n", logging.INFO, "p", 1, "number %d", (500,), None))
    behind.close()
    missing = [int(line.split()[0]) for line in stuck.lines if "lines are missing before this" in line]
    assert len(stuck.lines) + sum(missing) == 501
    assert missing
    assert stuck.lines[-1].endswith("number 500")


async def test_a_server_logs_json_to_its_file(tmp_path: Path) -> None:
    """Fault 67."""
    options = ("--log-format", "json", "--log-file", str(tmp_path / "log"))
    async with serving("--tcp-port", "0", "--model", "motion", *options) as server:
        async with tcp_peer(server.tcp) as peer:
            await peer.send({"type": FORGED})
            await peer.next("error")
        await server.said("closed:")
    records = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert any("closed:" in record["message"] for record in records)
    assert all(set(record) <= {"time", "level", "logger", "message", "exception"} for record in records)


async def test_a_flood_is_summed_up(written: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = written
    for n in range(1000):
        log.info("peer %d closed: %s", n, "why")
    log.info("another %s", "thing")
    async with asyncio.timeout(20):
        while "more like this" not in stream.getvalue():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    lines = stream.getvalue().splitlines()
    assert len(lines) == logs.BURST + 2
    assert lines[-1] == f"INFO {1000 - logs.BURST} more like this: peer %d closed: %s"


async def test_a_flood_that_lasts_is_a_line_a_second_and_its_sum(written: tuple[logging.Logger, io.StringIO]) -> None:
    log, stream = written
    count, began = 0, time.monotonic()
    while stream.getvalue().count("more like this") < 3:
        log.info("peer %d closed", count)
        count += 1
        await asyncio.sleep(0.001)
    log.info("another one")  # and what was left out since
    seconds = time.monotonic() - began
    lines = stream.getvalue().splitlines()
    single = sum(line.startswith("INFO peer ") for line in lines)
    summed = sum(int(line.split()[1]) for line in lines if "more like this" in line)
    assert logs.BURST < single <= logs.BURST + seconds + 1
    assert count // 2 < single + summed <= count


@pytest.mark.parametrize("written", ["sightline.streams.meters"], indirect=True)
async def test_a_camera_that_comes_and_goes_all_the_time_is_summed_up_by_itself(
    written: tuple[logging.Logger, io.StringIO],
) -> None:
    log, stream = written
    for _ in range(100):
        log.info("stream %s: dropped %s", "door", "1 closed")
    log.info("stream %s: dropped %s", "hall", "1 closed")
    async with asyncio.timeout(20):
        while "more like this" not in stream.getvalue():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    lines = stream.getvalue().splitlines()
    assert "INFO stream hall: dropped 1 closed" in lines
    assert lines[-1] == f"INFO {100 - logs.BURST} more like this: stream door: dropped %s"


async def test_a_flood_is_summed_up_where_no_thread_can_be_started(
    written: tuple[logging.Logger, io.StringIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, stream = written

    def start(thread: threading.Thread) -> None:
        raise RuntimeError(NO_THREAD)

    monkeypatch.setattr(threading.Thread, "start", start)
    for n in range(logs.BURST + 1):
        log.info("peer %d left", n)
    async with asyncio.timeout(20):
        while "1 more like this" not in stream.getvalue():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    assert shortage(RuntimeError(NO_THREAD)) is not None
    assert shortage(RuntimeError("another")) is None


async def test_a_tcp_peer_can_not_write_lines_of_its_own() -> None:
    async with serving("--tcp-port", "0", "--model", "motion") as server:
        async with tcp_peer(server.tcp) as peer:
            await peer.send({"type": FORGED})
            await peer.next("error")
        await server.said("closed:")
        text = "".join(server.log)
        assert "\\n12:00:00" in text
        assert "\x1b" not in text
        assert not re.search(r"^12:00:00 INFO    sightline.access", text, re.M)
