"""Which streams this server has: all, unless it is one of several hubs."""

from __future__ import annotations

from collections.abc import Callable

from sightline.core.errors import Moved, Unreachable


class Placement:
    """Where streams are. Who knows the other hubs sets its fields."""

    def __init__(self) -> None:
        self.elsewhere: Callable[[str], str | None] = lambda stream: None
        """Returns the address of the hub that has a stream; None for this one, empty while that is not known yet."""
        self.tcp_address: Callable[[str], str] = lambda hub: ""
        """Returns where another hub answers over TCP; empty where it does not."""

    def here(self, stream: str) -> bool:
        """Return whether this server has a stream."""
        return self.elsewhere(stream) is None

    def check_here(self, stream: str) -> None:
        """Raise Moved, for transports that aren't passed on, or Unreachable while nothing is known."""
        address = self.elsewhere(stream)
        if address == "":
            raise Unreachable("this hub has just started and looks for the others: expected another try in a second")
        if address is not None:
            url = self.tcp_address(address)
            raise Moved(f"the stream {stream!r} is at the hub {url or address}: expected a connection there", url)
