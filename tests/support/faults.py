"""What foreign code may raise when it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Interrupt(BaseException):
    """What a library may raise to get past every ``except Exception``."""


FAULTS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("no good"),
    "RuntimeError": lambda: RuntimeError("no\nnews"),
    "MemoryError": MemoryError,
    "StopIteration": StopIteration,
    "StopAsyncIteration": StopAsyncIteration,
    "RecursionError": lambda: RecursionError("too deep"),
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "CancelledError": asyncio.CancelledError,
    "Interrupt": Interrupt,
    "ExceptionGroup": lambda: ExceptionGroup("some", [ValueError("x")]),
    "BaseExceptionGroup": lambda: BaseExceptionGroup("some", [SystemExit(1), ValueError("x")]),
}
"""A maker of each kind of exception."""
