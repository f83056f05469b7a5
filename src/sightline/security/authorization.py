"""Authorization. A right is a role on a stream; every request and every session has an identity that holds one."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from sightline.core.errors import (
    FAULTS,
    BadRequest,
    Forbidden,
    LimitReached,
    Shortage,
    ShuttingDown,
    SightlineError,
    Unauthorized,
)
from sightline.security.tokens import ALL, Role, Store, TokenRecord, check_right, digest

log = logging.getLogger(__name__)

POLL_S = 0.25
"""Seconds between checks of the token file, and for sessions whose token has ended."""
TICKET_S = 600.0
"""Ticket lifetime in seconds."""
MOST_TICKETS = 256
"""Maximum number of unused tickets."""
BROWSER_S = 30 * 86400.0
BROWSER_ADMIN_S = 86400.0
"""Lifetime in seconds of a browser token with the role admin; BROWSER_S is for the other roles."""
IDENTITY = "sightline.identity"
"""Key of a connection's identity in its scope."""
CLOSED = "LAN mode was closed on the server's own machine"
NO_TOKENS = (
    "this server asks nobody for tokens: expected one that runs with --lan or --tunnel, or that has LAN mode open"
)

Close: TypeAlias = Callable[[SightlineError], None]


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller: the holder of a token and the right that it gives."""

    id: str
    role: Role
    stream: str
    hash: str = ""
    opening: int = 0
    """Number of the opening of LAN mode by which it came; 0 for who came to the server's own listeners."""

    def may(self, role: Role, stream: str | None) -> bool:
        """True if the role is allowed on that stream; with None, on all streams."""
        return self.stream in (ALL, stream) and self.role in ("admin", role)

    def sees(self, stream: str) -> bool:
        """True if the identity may do anything with that stream."""
        return self.stream in (ALL, stream)


EVERYBODY = Identity("", "admin", ALL)
"""Identity of every caller if the server asks for no tokens."""


@dataclass(frozen=True, slots=True)
class _Ticket:
    role: Role
    stream: str
    expires: float


class Access:
    """Tokens, unused tickets and live sessions of a running server. On the event loop only.

    Without a store everybody has every right, but for those who come by LAN mode while that is open.
    """

    def __init__(self, store: Store | None) -> None:
        """Read the store. Raises ConfigError if that fails."""
        self.enabled = store is not None
        """True if the server asks everybody for a token."""
        self.opening = 0
        """Number of the present opening of LAN mode; 0 while it is closed."""
        self._openings = 0
        self._store = store
        self._stamp = None if store is None else store.stamp()
        self._known = {} if store is None else {r.hash: r for r in store.records()}
        self._shared: dict[str, TokenRecord] = {}
        """Tokens of other hubs."""
        self._tickets: dict[str, _Ticket] = {}
        self._sessions: dict[object, tuple[Identity, Close]] = {}

    @property
    def active(self) -> bool:
        """True if the server asks anybody for a token: everybody, or who comes by LAN mode."""
        return self.enabled or self.opening > 0

    @property
    def store(self) -> Store:
        """All tokens. Raises BadRequest if the server asks for none. Call ``refresh`` after a change."""
        if self._store is None or not self.active:
            raise BadRequest(NO_TOKENS)
        return self._store

    def open(self, store: Store) -> int:
        """Let in who comes by LAN mode and has a token of that store. Returns the number of this opening.

        Raises ConfigError or Shortage.
        """
        if self._store is None:
            self._stamp, self._known = store.stamp(), {r.hash: r for r in store.records()}
            self._store = store
        self._openings += 1
        self.opening = self._openings
        return self.opening

    def close(self) -> None:
        """End the sessions of those who came by LAN mode. Tokens are kept: they hold where it is opened again."""
        self.opening = 0
        if not self.enabled:
            self._tickets.clear()
        self.end_sessions()

    @property
    def records(self) -> Iterable[TokenRecord]:
        """Tokens that were made here, as far as they are known."""
        return self._known.values()

    @property
    def shared(self) -> Iterable[TokenRecord]:
        """Tokens that other hubs have made."""
        return self._shared.values()

    def share(self, records: Iterable[TokenRecord]) -> None:
        """Let in who has a token of another hub, too. Those of before are forgotten."""
        self._shared = {} if self._store is None else {record.hash: record for record in records}

    def _found(self, key: str) -> TokenRecord | None:
        return self._known.get(key) or self._shared.get(key)

    # Rights

    def identify(self, token: str) -> Identity:
        """The identity that a token belongs to. Raises Unauthorized."""
        key = digest(token)
        if self._found(key) is None:
            self.refresh()  # the token may have been made just now
        record = self._found(key)
        if record is None:
            raise Unauthorized("this token is not known here: it was revoked, or is of another server")
        if record.expired(time.time()):
            raise Unauthorized(f"the token {record.id} has expired")
        return Identity(record.id, record.role, record.stream, key)

    def known(self, key: str) -> Identity | None:
        """The identity of a token by its hash; None where that has ended."""
        if self._store is None or not (key or self.enabled):
            return EVERYBODY
        record = self._found(key)
        if record is None or record.expired(time.time()):
            return None
        return Identity(record.id, record.role, record.stream, key)

    def record(self, identity: Identity) -> TokenRecord | None:
        """Record of its token."""
        return self._found(identity.hash)

    def require(self, connection: HTTPConnection, *roles: Role, stream: str | None) -> Identity:
        """The caller, who must hold one of the roles on that stream (None: on all). Raises Unauthorized or Forbidden.

        Without roles, any identity will do.
        """
        identity: Identity | None = connection.scope.get(IDENTITY, None if self.enabled else EVERYBODY)
        if identity is None:
            raise Unauthorized("expected a token: sign in, or send Authorization: Bearer TOKEN")
        self.check(identity, *roles, stream=stream)
        return identity

    def check(self, identity: Identity, *roles: Role, stream: str | None) -> None:
        """Raise Forbidden unless the identity holds one of the roles on that stream."""
        if roles and not any(identity.may(role, stream) for role in roles):
            wanted = "all streams" if stream is None else f"stream {stream[:80]!r}"
            has = "all streams" if identity.stream == ALL else f"stream {identity.stream!r}"
            raise Forbidden(f"this token is for {identity.role} of {has}: expected {' or '.join(roles)} of {wanted}")

    # Sessions

    def watch(self, identity: Identity, close: Close) -> Callable[[], None]:
        """Call ``close`` once, on the loop, when the identity's token ends. Returns a function that cancels this."""
        if identity is EVERYBODY:
            return lambda: None
        key = object()
        self._sessions[key] = (identity, close)

        def unwatch() -> None:
            self._sessions.pop(key, None)

        return unwatch

    @asynccontextmanager
    async def session(self, identity: Identity) -> AsyncGenerator[None]:
        """Context of a session in this task. When its token ends, the task is stopped and Unauthorized raised."""
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        ended: list[SightlineError] = []

        def close(error: SightlineError) -> None:
            ended.append(error)
            task.cancel()

        unwatch = self.watch(identity, close)
        try:
            yield
        except asyncio.CancelledError:
            if not ended or task.uncancel() > before:
                raise
            raise ended[0] from None
        else:
            if ended:  # both at once
                task.uncancel()
        finally:
            unwatch()

    async def run(self) -> None:
        """Follow changes of the store and end sessions whose token has ended. Runs until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            self.refresh()
            self.end_sessions()

    def refresh(self) -> None:
        """Read the store again if it has changed."""
        if self._store is None or (stamp := self._store.stamp()) == self._stamp:
            return
        try:
            self._known = {r.hash: r for r in self._store.records()}
        except Shortage as e:  # what is known still holds, and the file is read again at the next call
            log.warning("the tokens could not be read again: %s", e.message)
            return
        except SightlineError as e:
            self._known = {}
            log.error("%s; until that is mended no token is accepted", e.message)
        self._stamp = stamp

    def end_sessions(self) -> None:
        """End all sessions whose token has ended."""
        now = time.time()
        for key, (identity, close) in list(self._sessions.items()):
            error = self._ended(identity, now)
            if error is None:
                continue
            del self._sessions[key]
            log.info("a session ends: %s", error.message)
            try:
                close(error)
            except FAULTS:  # one session that can't be ended must not keep the others
                log.exception("a session of the token %s could not be ended", identity.id)

    def _ended(self, identity: Identity, now: float) -> SightlineError | None:
        """Why an identity has no right any more; None where it has."""
        if identity.opening not in (0, self.opening):
            return ShuttingDown(CLOSED)
        record = self._found(identity.hash)
        if record is None or record.expired(now):
            return Unauthorized(f"the token {identity.id} {'was revoked' if record is None else 'has expired'}")
        return None

    # Tickets are shown as a code, used once, and exchanged for a token in a browser's cookie.

    def ticket(self, role: str, stream: str) -> str:
        """Make a new ticket. Raises BadRequest, or LimitReached if too many are unused."""
        now = time.monotonic()
        self._tickets = {k: t for k, t in self._tickets.items() if t.expires > now}
        if len(self._tickets) >= MOST_TICKETS:
            raise LimitReached(f"{MOST_TICKETS} tickets wait to be used: expected fewer")
        ticket = secrets.token_urlsafe(16)
        self._tickets[digest(ticket)] = _Ticket(check_right(role, stream), stream, now + TICKET_S)
        return ticket

    async def exchange(self, ticket: str) -> tuple[str, TokenRecord]:
        """The browser's token for a ticket, which is used up. Raises Unauthorized."""
        assert self._store is not None
        found = self._tickets.pop(digest(ticket), None)
        if found is None or found.expires <= time.monotonic():
            raise Unauthorized("this code was used already or is too old: ask for a new one")
        lifetime = BROWSER_ADMIN_S if found.role == "admin" else BROWSER_S
        token, record = await asyncio.to_thread(
            self._store.create, found.role, found.stream, lifetime=lifetime, kind="browser"
        )
        self.refresh()
        return token, record

    async def sign_out(self, identity: Identity) -> None:
        """Revoke a browser's token. Other tokens stay, as they are made for use elsewhere too."""
        record = self.record(identity)
        if self._store is not None and record is not None and record.kind == "browser" and identity.hash in self._known:
            await asyncio.to_thread(self._store.revoke, record.id)
            self.refresh()


def access_of(connection: HTTPConnection) -> Access:
    """The server's."""
    access: Access = connection.app.state.server.access
    return access


def needs(*roles: Role) -> Any:
    """Dependency of a route: one of these roles on the stream in its path, or on all streams if the path names none."""

    async def check(request: Request) -> None:
        access_of(request).require(request, *roles, stream=request.path_params.get("stream"))

    return Depends(check)
