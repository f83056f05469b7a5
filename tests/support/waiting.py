"""Waiting for so long and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def within(awaited: Awaitable[T], seconds: float) -> T:
    """What it gives, in at most so many seconds. Raises TimeoutError.

    ``asyncio.wait_for`` of Python 3.11 loses a cancellation that comes together with the answer: a task that nobody
    cancels again then goes on for ever.
    """
    async with asyncio.timeout(seconds):
        return await awaited
