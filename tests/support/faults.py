"""What foreign code may raise when it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

FAULTS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no good"),
    "MemoryError": MemoryError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "RecursionError": lambda: RecursionError("too deep"),
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "BaseExceptionGroup": lambda: BaseExceptionGroup("some", [SystemExit(1), ValueError("x")]),
}
"""A maker of each kind of exception."""
