"""Another hub, as this one knows it: asked again and again, and believed only under the hubs' seal."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf

import httpx2
from pydantic import ValidationError

from sightline.core.errors import ProtocolError, SightlineError, TooLarge, Unauthorized, Unreachable
from sightline.server.api.stream_stats import StreamStats
from sightline.server.hubs.messages import MOST_BYTES, HubState, Shared, decode
from sightline.server.hubs.seal import HEADER, Seal

log = logging.getLogger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells of every request

STATE_PATH, SHARED_PATH = "/api/hubs/state", "/api/hubs/shared"
ASK_S = 2.0
"""Seconds for an answer."""
GONE_S = 5.0
"""Seconds without an answer after which a hub is gone, and the others have its streams."""
STEADY_S = 3.0
"""Seconds for which a hub that was gone has to answer before its streams go back to it."""
AS_IT_IS = {"accept-encoding": "identity"}
"""What is sealed looks random: it can't be made smaller."""
NOTHING = Shared((), {})


@dataclass(eq=False)
class Peer:
    """A hub of the list."""

    address: str
    heard: float = field(default_factory=time.monotonic)
    """When it answered last: ``time.monotonic()``. It is thought to be there until it does not answer for a while."""
    back: float = -inf
    """When it answered again after it had been gone."""
    state: HubState | None = None
    streams: tuple[StreamStats, ...] = ()
    """What it has, as it said last."""
    shared: Shared = NOTHING
    trouble: str = ""
    """Why it can't be worked with, or only partly; empty while all is well."""
    _shared: str = ""
    _unreachable: bool = False
    _limits: set[asyncio.Timeout] = field(default_factory=set)
    """Of what is passed on to it."""

    def alive(self, now: float) -> bool:
        """Return whether it answered lately."""
        return now - self.heard < GONE_S

    @asynccontextmanager
    async def while_alive(self) -> AsyncGenerator[None]:
        """Limit a block, in which something is passed on to it, to the time in which it answers.

        Raises TimeoutError.
        """
        async with asyncio.timeout(None) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def let_go(self) -> None:
        """End all those blocks."""
        while self._limits:
            self._limits.pop().reschedule(0)

    def count(self, now: float) -> int:
        """Return how many streams it has; none where it is gone."""
        return len(self.streams) if self.alive(now) else 0

    def up_s(self, now: float) -> float:
        """Seconds since its start; infinite where that is not known."""
        return inf if self.state is None else self.state.up_s + now - self.heard

    async def ask(self, http: httpx2.AsyncClient, seal: Seal) -> None:
        """Ask how it is, and what it shares where that has changed. What goes wrong becomes its ``trouble``."""
        try:
            state = decode(await self._get(http, seal, STATE_PATH), HubState)
            if state.shared != self._shared:
                self.shared = decode(await self._get(http, seal, SHARED_PATH), Shared)
                self._shared = state.shared
            streams = tuple(map(_stats, state.streams))
        except SightlineError as e:
            self._tell(e.message, known=isinstance(e, Unreachable) and self._unreachable)
            self._unreachable = isinstance(e, Unreachable)
            return
        self._unreachable = False
        now = time.monotonic()
        if not self.alive(now) or (self.state is not None and state.instance != self.state.instance):
            self.back = now
        self.state, self.streams, self.heard = state, streams, now
        self._tell("")

    def _tell(self, trouble: str, *, known: bool = False) -> None:
        """``known``: the same is wrong as before, whatever words the system has for it now."""
        if trouble != self.trouble:
            if not trouble:
                log.info("hub %s answers", self.address)
            elif not known:
                log.warning("hub %s: %s", self.address, trouble)
            self.trouble = trouble

    async def _get(self, http: httpx2.AsyncClient, seal: Seal, path: str) -> bytes:
        header = seal.request("GET", path)
        body = bytearray()
        try:
            async with (
                asyncio.timeout(ASK_S),
                http.stream("GET", self.address + path, headers={HEADER: header, **AS_IT_IS}) as answer,
            ):
                async for part in answer.aiter_raw():
                    body += part
                    if len(body) > MOST_BYTES:
                        raise TooLarge(f"it answered with more than {MOST_BYTES} bytes: expected less")
        except (httpx2.HTTPError, httpx2.InvalidURL, ssl.SSLError, OSError) as e:  # TimeoutError is an OSError
            raise Unreachable(f"it can't be reached: {_why(e, self.address)}"[:300]) from None
        if answer.status_code == Unauthorized.status:
            raise Unauthorized("it does not take this hub for one of its own: expected the same secret in [cluster]")
        if not answer.is_success:
            raise ProtocolError(
                f"it answered with HTTP status {answer.status_code}: expected a Sightline server that has [cluster]"
            )
        return seal.read(header, bytes(body))


def _why(error: Exception, address: str) -> str:
    said = str(error) or f"no answer within {ASK_S:g} s"
    if "WRONG_VERSION_NUMBER" in said:
        return f"it does not speak TLS: expected http:// in place of https:// in [cluster] hubs ({said})"
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return f"nobody vouches for its certificate: expected the authority of it as ca in [cluster] ({said})"
    if isinstance(error, httpx2.RemoteProtocolError) and address.startswith("http:"):
        return f"it does not speak HTTP, or fails: expected https:// in [cluster] hubs if it has TLS ({said})"
    return said


def _stats(raw: bytes) -> StreamStats:
    try:
        return StreamStats.model_validate_json(bytes(raw))
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ProtocolError(f"it tells of a stream what this version does not know: {where}: {first['msg']}") from None
