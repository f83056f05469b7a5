"""The server's log: a line a record, whatever text of a peer's is in it, and floods of one kind summed up."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

MOST = 500
"""Characters of a message that are written."""
BURST = 10
"""Records of one kind that are written within a second; further ones are counted."""
PERIOD_S = 1.0


class OneLine(logging.Formatter):
    """Writes control characters and line breaks as escapes, and cuts long messages. Tracebacks stay as they are."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        """Format the record with its message in one line."""
        told = record.message
        if not told.isprintable():
            told = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in told)
        record.message = told if len(told) <= MOST else f"{told[:MOST]}... ({len(told)} characters)"
        return super().formatMessage(record)


@dataclass
class _Kind:
    since: float
    written: int = 0
    left_out: int = 0


class Flood(logging.Filter):
    """Lets ``BURST`` records of a kind through in a second, and says once a second how many more there were.

    A kind is a logger, a level and a message without its values.
    """

    def __init__(self) -> None:
        super().__init__()
        self._kinds: dict[tuple[str, int, str], _Kind] = {}
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Count a record; False where it is one too many."""
        if record.name.startswith("sightline.streams"):  # each stream sums up by itself, once a second
            return True
        key = record.name, record.levelno, str(record.msg)
        now = time.monotonic()
        with self._lock:
            kind = self._kinds.get(key)
            if kind is None or now - kind.since >= PERIOD_S:
                kind = self._kinds[key] = _Kind(now)
            if kind.written < BURST:
                kind.written += 1
                return True
            kind.left_out += 1
            if kind.left_out == 1:
                timer = threading.Timer(PERIOD_S, self._sum_up, (key, kind))
                timer.daemon = True
                timer.start()
            return False

    def _sum_up(self, key: tuple[str, int, str], kind: _Kind) -> None:
        with self._lock:
            if self._kinds.get(key) is kind:
                del self._kinds[key]
        name, level, message = key
        logging.getLogger(name).log(level, "%d more like this: %s", kind.left_out, message)


def set_up(level: str) -> None:
    """Send the log to standard error, as above."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s %(levelname)-7s %(name)s  %(message)s", "%H:%M:%S"))
    handler.addFilter(Flood())
    logging.basicConfig(level=level.upper(), handlers=[handler])
