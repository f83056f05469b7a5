"""The end of the process, also where a thread does not come back: Python itself would wait for it for ever."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

WITHIN_S = 4.5
"""Seconds from the beginning of the end. Docker and systemd give 10 and more before they kill."""
LAST_S = 0.2
"""Seconds for the last line of the log, as standard error may hang as well."""


def end_process(status: int) -> None:
    """End this process with ``status`` in WITHIN_S, if it is then still there. To be called from any thread."""
    _after(WITHIN_S, _end, status)


def _after(seconds: float, work: Callable[[int], object], status: int) -> None:
    timer = threading.Timer(seconds, work, [status])
    timer.daemon = True
    timer.start()


def _end(status: int) -> None:
    _after(LAST_S, os._exit, status)
    hanging = [t.name for t in threading.enumerate() if t.is_alive() and not t.daemon]
    log.warning("the server ends without waiting any longer for %s", ", ".join(hanging))
    logging.shutdown()
    os._exit(status)
