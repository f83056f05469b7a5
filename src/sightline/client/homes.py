"""Where a call connects: to the server that was named, or to that hub of its cluster which has the stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from sightline.client.links import Address, Link
from sightline.core.errors import Moved, Unreachable

MOST_MOVES = 3
"""Hubs from which one connection may be sent on. They may disagree for a moment about who has a stream."""

Connect = Callable[[Address, bool], Awaitable[Link]]
"""Connects to an address. True: the caller goes to another hub by itself."""


class Homes:
    """Addresses of one call: those that were named, and that to which it was led."""

    def __init__(self, named: Sequence[Address]) -> None:
        self._named = list(named)
        self._led: Address | None = None

    def moved(self, error: Moved) -> None:
        """Connect to the hub that has the stream next. Raises ConfigError for one that may not see our token."""
        self._led = self._named[0].at(error.url) if error.url else None

    async def open(self, connect: Connect) -> Link:
        """Connect to the hub that has the stream. Raises Unreachable, and what it refuses."""
        led, self._led = self._led, None
        for address in [*([led] if led else []), *self._named]:
            try:
                link = await self._follow(address, connect)
            except Unreachable as e:
                error = e
            else:
                if address in self._named:  # it is there: the next connection begins here
                    self._named.remove(address)
                    self._named.insert(0, address)
                return link
        raise error

    async def _follow(self, address: Address, connect: Connect) -> Link:
        first = address
        for _ in range(MOST_MOVES):
            try:
                return await connect(address, True)
            except Moved as e:
                if not e.url:
                    raise
                address = first.at(e.url)
            except Unreachable:
                if address is first:
                    raise
                break
        try:
            return await connect(first, False)  # it passes on what we can't reach ourselves
        except Moved as e:
            raise Unreachable(
                f"{first.url} sends us on to {e.url or 'nobody'} for ever: no hub has the stream"
            ) from None
