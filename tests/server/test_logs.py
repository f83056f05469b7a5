"""The server's log is one that peers can't write in."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.server import logs
from support.serving import serving
from support.tcp_peer import tcp_peer

FORGED = "x\n12:00:00 INFO    sightline.access  token deadbeef was used by admin\n\x1b[31mred\x1b]0;owned\x07"


@pytest.fixture
def written() -> Iterator[tuple[logging.Logger, io.StringIO]]:
    """A logger with the server's handler, and what it writes."""
    stream, log = io.StringIO(), logging.getLogger("test.logs")
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
