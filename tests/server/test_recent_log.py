"""The log that is kept in memory: bounded, filtered, and a line a record."""

from __future__ import annotations

import logging
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.server import recent_log
from sightline.server.logs import OneLine
from sightline.server.recent_log import RecentLog


def record(message: str, *words: object, level: int = logging.INFO, error: bool = False) -> logging.LogRecord:
    return logging.LogRecord("n", level, "p", 1, message, words, sys.exc_info() if error else None)


@pytest.fixture
def recent() -> RecentLog:
    log = RecentLog()
    log.setFormatter(OneLine("%(message)s"))
    return log


@given(st.text(max_size=3000))
def test_what_a_peer_said_is_one_printable_line(text: str) -> None:
    log = RecentLog()
    log.setFormatter(OneLine("%(message)s"))
    log.handle(record("peer said %s", text))
    (line,) = log.lines()
    assert line.text.isprintable()
    assert len(line.text) <= recent_log.MOST_CHARACTERS


def test_the_oldest_go_and_what_is_older_than_an_hour(recent: RecentLog) -> None:
    for number in range(recent_log.MOST + 5):
        recent.handle(record("number %d", number))
    assert [line.text for line in recent.lines()][::1999] == ["number 5", "number 2004"]
    old = record("old")
    old.created = time.time() - recent_log.KEPT_S - 1
    recent.handle(old)
    assert recent.lines()[-1].text == "number 2004"


def test_a_warning_stays_however_much_else_is_said(recent: RecentLog) -> None:
    recent.handle(record("the camera is gone", level=logging.WARNING))
    for number in range(recent_log.MOST + 5):
        recent.handle(record("number %d", number))
    assert [line.text for line in recent.lines(level=logging.WARNING)] == ["the camera is gone"]
    assert [line.text for line in recent.lines()][:2] == ["the camera is gone", "number 5"]


def test_a_stream_is_found_by_name_and_in_words(recent: RecentLog) -> None:
    for message, *words in (
        ("stream %s: pictures come", "door"),
        ("%s %s closed: %s", "/ws/camera/door", "me", "it was told to"),
        ("a request failed: no stream 'door'",),
        ("stream %s: pictures come", "door-2"),
        ("the door is open",),
    ):
        recent.handle(record(message, *words))
    assert [line.number for line in recent.lines(stream="door")] == [1, 2, 3]
    assert [line.number for line in recent.lines(stream="door", after=1)] == [2, 3]


def test_a_traceback_is_kept_up_to_a_limit(recent: RecentLog) -> None:
    try:
        raise ValueError("x" * 100_000)
    except ValueError:
        recent.handle(record("it failed", level=logging.ERROR, error=True))
    (line,) = recent.lines(level=logging.ERROR)
    assert line.text.startswith("it failed\n    Traceback")
    assert len(line.text) == recent_log.MOST_CHARACTERS
