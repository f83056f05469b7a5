"""Work that lets all else go first."""

from __future__ import annotations

import os
import threading
from contextlib import suppress

NICE = 10


def step_back() -> None:
    """Let all else that the server does go before this thread and what it starts, where the system can."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
