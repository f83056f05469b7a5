"""Places for connections: strangers have few, and none of those that whoever is signed in has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain

from sightline.core.errors import LimitReached
from sightline.core.net import is_loopback
from sightline.security.authentication import network_of

STRANGERS = 256
"""Most connections of peers that have not shown who they are, TLS handshakes in progress among them."""
STRANGERS_EACH = 128
"""Most of those from one address."""


@dataclass(eq=False, slots=True)
class OpenConnection:
    """A connection, from its accepted socket to its end."""

    network: str
    close: Callable[[], None]
    """Ends the connection at once."""
    connections: Connections
    token: str | None = None
    """Hash of the token that was shown, empty where no token is asked for; None for a stranger."""
    opening: int = 0
    """Number of the opening of LAN mode by which it came; 0 for the server's own listeners."""

    def heard(self, token: str | None) -> None:
        """Note a whole request, with the hash of its token if there was one. Raises LimitReached."""
        self.connections.heard(self, token)

    def gone(self) -> None:
        """The connection has ended. A second call does nothing."""
        self.connections.gone(self)


@dataclass(eq=False)
class Connections:
    """All connections of a server's listeners. On the event loop only.

    Where strangers have taken their places, the one that has been silent for longest gives way to the next. So whoever
    floods a server from one address closes its own connections, and a newcomer always gets far enough to sign in.
    """

    most: int
    """Most connections of those who are known."""
    of_token: int
    """Most connections with one token."""
    proxied: bool = False
    """True where a program on this machine passes connections on, so that all come from one address."""
    crowded: bool = field(default=False, init=False)
    """True where another one gave way to the last that came."""
    _strangers: dict[str, dict[OpenConnection, None]] = field(default_factory=dict)
    """Strangers of each address, the one that has been silent for longest first."""
    _known: set[OpenConnection] = field(default_factory=set)
    _tokens: Counter[str] = field(default_factory=Counter)

    def come(self, host: str, close: Callable[[], None] = lambda: None, *, opening: int = 0) -> OpenConnection:
        """Note a new connection, for which another one may have to go. ``close`` may be set later."""
        connection = OpenConnection(network_of(host), close, self, opening=opening)
        own = self._strangers.setdefault(connection.network, {})
        own[connection] = None
        each = STRANGERS if self.proxied and is_loopback(host) else STRANGERS_EACH
        self.crowded = True
        if len(own) > each:
            self._end_oldest(own)
        elif sum(map(len, self._strangers.values())) > STRANGERS:
            self.make_room()
        else:
            self.crowded = False
        return connection

    def make_room(self) -> bool:
        """Close the longest silent stranger of the address that has most of them. False where there is none."""
        if not self._strangers:
            return False
        self._end_oldest(max(self._strangers.values(), key=len))
        return True

    def heard(self, connection: OpenConnection, token: str | None) -> None:
        """Note a whole request of a connection: see ``OpenConnection.heard``."""
        if token is None or token == connection.token:
            own = self._strangers.get(connection.network, {})
            if connection in own:
                own[connection] = own.pop(connection)  # silent for the shortest time now
            return
        if token and self._tokens[token] >= self.of_token:
            raise LimitReached(f"{self.of_token} connections have this token: expected fewer")
        if connection not in self._known and len(self._known) >= self.most:
            raise LimitReached(f"{self.most} connections are open: expected fewer")
        self.gone(connection)
        connection.token = token
        self._known.add(connection)
        self._tokens[token] += 1

    def gone(self, connection: OpenConnection) -> None:
        """Note that a connection has ended: see ``OpenConnection.gone``."""
        if connection in self._known:
            self._known.remove(connection)
            self._count_out(connection.token or "")
        elif (own := self._strangers.get(connection.network)) is not None and connection in own:
            del own[connection]
            if not own:
                del self._strangers[connection.network]

    def of_opening(self, opening: int) -> list[OpenConnection]:
        """All that came by that opening of LAN mode."""
        every = chain(self._known, *self._strangers.values())
        return [one for one in every if one.opening == opening]

    def _count_out(self, token: str) -> None:
        self._tokens[token] -= 1
        if not self._tokens[token]:
            del self._tokens[token]

    def _end_oldest(self, own: dict[OpenConnection, None]) -> None:
        oldest = next(iter(own))
        self.gone(oldest)
        oldest.close()
