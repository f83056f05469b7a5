"""The log's last hour in memory, for a page of those who manage the server."""

from __future__ import annotations

import logging
import re
import time
from collections import deque
from dataclasses import dataclass
from itertools import count
from operator import attrgetter

MOST = 2000
"""Lines that are kept of each kind: warnings and worse, and all others."""
KEPT_S = 3600.0
MOST_CHARACTERS = 4000
"""Of a line with its traceback."""
MOST_NAME = 80


@dataclass(frozen=True, slots=True)
class LogLine:
    """A record as it was logged."""

    number: int
    """Place in the log, from 1."""
    at: float
    """Seconds since 1970."""
    level: int
    """As in ``logging``."""
    logger: str
    text: str
    """Message in one line, with its traceback in further ones."""
    names: tuple[str, ...]
    """Short words in it, among them the name of the stream."""

    def concerns(self, stream: str) -> bool:
        """Return True if the line is about a stream."""
        return stream in self.names or re.search(rf"\bstream '?{re.escape(stream)}(?![\w-])", self.text) is not None


class RecentLog(logging.Handler):
    """Keeps the newest lines. Many that say what goes well push out no warning. For all threads."""

    def __init__(self) -> None:
        super().__init__()
        self._warnings: deque[LogLine] = deque(maxlen=MOST)
        self._others: deque[LogLine] = deque(maxlen=MOST)
        self._numbers = count(1)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        text = self.format(record)[:MOST_CHARACTERS]
        words = record.args if isinstance(record.args, tuple) else ()
        last_parts = (word.rpartition("/")[2] for word in words if isinstance(word, str))  # of paths, too
        names = tuple(part for part in last_parts if 0 < len(part) <= MOST_NAME)
        lines = self._warnings if record.levelno >= logging.WARNING else self._others
        lines.append(LogLine(next(self._numbers), record.created, record.levelno, record.name, text, names))

    def lines(self, *, level: int = 0, stream: str | None = None, after: int = 0) -> list[LogLine]:
        """Return lines of the last hour, the oldest first. ``level``: the lowest; ``after``: a number."""
        begin = time.time() - KEPT_S
        self.acquire()
        try:
            lines = sorted((*self._warnings, *self._others), key=attrgetter("number"))
        finally:
            self.release()
        return [
            line
            for line in lines
            if line.number > after and line.at > begin and line.level >= level and (not stream or line.concerns(stream))
        ]


RECENT = RecentLog()
"""The log of this process."""
