"""The server's log: a line a record, whatever text of a peer's is in it, and floods of one kind summed up.

Records are text or JSON. They go to standard error, to a file that rotates if there is one, and into memory for a page.
"""

from __future__ import annotations

import copy
import json
import logging
import queue
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener, RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

from sightline.core.errors import ConfigError
from sightline.core.metrics import TokenBucket
from sightline.server.recent_log import RECENT

MOST = 500
"""Characters of a message that are written."""
BURST = 10
"""Records of one kind that are written one after the other; then one a second, and further ones are counted."""
PERIOD_S = 1.0
LET_THROUGH = "sightline_let_through"
"""Attribute of a record that was counted: what the answer was."""
TEXT = "%(asctime)s %(levelname)-7s %(name)s  %(message)s"
FILE_BYTES = 10_000_000
"""Size of a log file after which the next one begins."""
FILES = 5
"""Full log files that are kept."""
WAITING = 10_000
"""Records that wait for the disk."""
MOST_KINDS = 256
"""Kinds that are told apart. Libraries may log messages that are never the same."""


class OneLine(logging.Formatter):
    """Writes control characters and line breaks as escapes, and cuts long messages. Tracebacks follow, indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Format the record with its message in one line."""
        record.message = _cut(_printable(record.message))
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - logging's own name
        """Format a traceback so that no line of it looks like a record: an error may hold a peer's text."""
        return "\n".join("    " + _printable(line) for line in super().formatException(ei).split("\n"))


class JsonLine(logging.Formatter):
    """Writes a record as one JSON object: time, level, logger, message, and its traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Format the record in one line of ASCII."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage()),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        elif record.exc_text:  # of a model's process
            told["exception"] = record.exc_text
        return json.dumps(told)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _cut(text: str) -> str:
    return text if len(text) <= MOST else f"{text[:MOST]}... ({len(text)} characters)"


@dataclass
class _Kind:
    bucket: TokenBucket = field(default_factory=lambda: TokenBucket(1.0, burst_s=BURST))
    left_out: int = 0


class Flood(logging.Filter):
    """Lets ``BURST`` records of a kind through, then one a second, and says once a second how many more there were.

    A kind is a logger, a level and a message without its values. What is said of a stream is a kind for each stream, as
    each says by itself once a second what was dropped.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, str, str], _Kind] = {}
        self._lock = threading.Lock()
        self._more = threading.Event()
        # One thread for good: where memory is short none can be started, and whoever logs must not find out.
        threading.Thread(target=self._sum_up, name="log", daemon=True).start()

    def filter(self, record: logging.LogRecord) -> bool:
        """Count a record, once for all handlers; False where it is one too many."""
        answer = record.__dict__.get(LET_THROUGH)
        if answer is None:
            answer = record.__dict__[LET_THROUGH] = self._lets_through(record)
        return bool(answer)

    def _lets_through(self, record: logging.LogRecord) -> bool:
        values = record.args if isinstance(record.args, tuple) else ()
        stream = str(values[0]) if values and record.name.startswith("sightline.streams") else ""
        key = record.name, record.levelno, str(record.msg), stream
        with self._lock:
            kind = self._kinds.get(key)
            if kind is None:
                if len(self._kinds) >= MOST_KINDS:
                    self._kinds = {key: kind for key, kind in self._kinds.items() if kind.left_out}
                kind = self._kinds[key] = _Kind()
            if kind.bucket.take():
                return True
            kind.left_out += 1
            self._more.set()
            return False

    def _sum_up(self) -> None:
        while True:
            self._more.wait()
            self._more.clear()
            time.sleep(PERIOD_S)
            with self._lock:
                over = {key: kind.left_out for key, kind in self._kinds.items() if kind.left_out}
                for key in over:
                    self._kinds[key].left_out = 0
            for (name, level, message, stream), count in over.items():
                more = "%d more like this: %s", count, message.replace("%s", stream or "%s", 1)
                logging.getLogger(name).log(level, *more, extra={LET_THROUGH: True})


class Behind(QueueHandler):
    """Hands records to a thread in which ``target`` writes them, so that a slow disk holds up nobody.

    Records for which there is no room are left out, and the next one says how many.
    """

    queue: queue.Queue[logging.LogRecord]

    def __init__(self, target: logging.Handler) -> None:
        super().__init__(queue.Queue(WAITING))
        self._lost = 0
        self._listener = QueueListener(self.queue, target)
        self._listener.start()

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return a copy with its traceback, which ``target`` formats in its own way."""
        return copy.copy(record)

    def enqueue(self, record: logging.LogRecord) -> None:
        """Put a record where the thread finds it."""
        if self._lost:
            record.msg, record.args = f"{self._lost} lines are missing before this: {record.getMessage()}", None
        try:
            self.queue.put_nowait(record)
            self._lost = 0
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Wait until everything is written."""
        with suppress(queue.Full):  # the disk hangs
            self._listener.stop()
        super().close()


def set_up(level: str, form: Literal["text", "json"] = "text", file: Path | None = None) -> None:
    """Send the log to standard error and to ``file``, as above. Raises ConfigError for a file that can't be written."""
    handlers: list[logging.Handler] = [_formatted(logging.StreamHandler(), form, "%H:%M:%S")]
    if file is not None:
        try:
            rotating = RotatingFileHandler(file, maxBytes=FILE_BYTES, backupCount=FILES, encoding="utf-8")
        except OSError as e:
            raise ConfigError(f"log_file {file}: {e.strerror}; expected a file that can be written") from None
        handlers.append(Behind(_formatted(rotating, form, "%Y-%m-%d %H:%M:%S")))
    flood = Flood()
    RECENT.setFormatter(OneLine("%(message)s"))
    for handler in (*handlers, RECENT):
        handler.addFilter(flood)
    logging.basicConfig(level=level.upper(), handlers=[*handlers, RECENT])


def _formatted(handler: logging.Handler, form: Literal["text", "json"], date: str) -> logging.Handler:
    handler.setFormatter(JsonLine() if form == "json" else OneLine(TEXT, date))
    return handler
