"""Work that only a few may do at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sightline.core.errors import LimitReached


class Turns:
    """A number of places. Who comes while all are taken is refused, not kept waiting. For the event loop only."""

    def __init__(self, places: int, refusal: str) -> None:
        """``refusal``: what is told to who is refused."""
        self._free, self._refusal = places, refusal

    @asynccontextmanager
    async def take(self) -> AsyncGenerator[None]:
        """Take a place. Raises LimitReached where all are taken."""
        if not self._free:
            raise LimitReached(self._refusal)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1
