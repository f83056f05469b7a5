"""The hubs of a cluster, seen from one of them: which stream is where, and what is wrong. On the event loop only."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from math import inf
from typing import Any

import httpx2
import msgspec

from sightline.core.errors import ConfigError, SightlineError
from sightline.core.version import __version__
from sightline.security.authorization import Access
from sightline.server.api.stream_stats import StreamStats, stream_stats
from sightline.server.hubs.messages import PROTOCOL, HubState, Shared, Version
from sightline.server.hubs.peer import GONE_S, STEADY_S, Peer
from sightline.server.hubs.ring import owner
from sightline.server.hubs.seal import HEADER, ClockDiffers, Seal
from sightline.settings.cluster import Cluster
from sightline.streams.hub import Hub

log = logging.getLogger(__name__)

ASK_EVERY_S = 1.0
LOOK_S = 0.25
ASLEEP_S = 1.0
"""Seconds for which a busy loop may stand still. What others did not say in longer ones says nothing of them."""
RELAY_S, CONNECT_S = 60.0, 3.0
"""Seconds that another hub may be silent while something is passed on, and that connecting to it may take."""
SPARE = 64
"""Requests that are passed on at a time, besides viewers."""


class Hubs:
    """All hubs of the settings. ``hub`` has the streams of this one."""

    def __init__(
        self,
        cluster: Cluster,
        context: ssl.SSLContext,
        hub: Hub,
        access: Access,
        tcp_port: Callable[[], int | None],
        ready: Callable[[], str],
        shares: Callable[[], Iterable[str]],
    ) -> None:
        """``context``: see ``trusted``. ``ready`` returns why frames get no results here; empty where they do.

        ``shares``: the ids of this hub's share links.
        """
        assert cluster.secret is not None
        self.seal = Seal(cluster.secret.get_secret_value())
        self.own = ""
        """The address of the list by which this hub reached itself; empty until it did."""
        self._hub, self._access, self._tcp_port, self._ready = hub, access, tcp_port, ready
        self._shares = shares
        self._list = cluster.hubs
        self._instance, self._began = secrets.token_hex(16), time.monotonic()
        self.peers = {address: Peer(address) for address in cluster.hubs}
        """By address; this one among them."""
        self._ring: tuple[str, ...] = cluster.hubs
        self._keepers: dict[str, tuple[str, ...]] = {}
        """By stream, the other hubs that have its source: of their settings, or as a camera that was added there."""
        self._placed_before: dict[str, str | None] = {}
        """Where streams were at the last look. Time alone may change that, too: see ``knows_itself``."""
        self._said, self._said_until = b"", 0.0
        self._looked = time.monotonic()
        self._woke = -inf
        """When it had stood still for so long that the others thought it gone."""
        self.context = context
        """Whom this hub trusts to vouch for the others."""
        hub.placement.elsewhere, hub.placement.tcp_address = self.placed, self.tcp_address

    @cached_property
    def http(self) -> httpx2.AsyncClient:
        """Client for the other hubs, and for nothing else: it follows nobody elsewhere and keeps no cookies."""
        return httpx2.AsyncClient(verify=self.context, trust_env=False, follow_redirects=False)

    @cached_property
    def relaying(self) -> httpx2.AsyncClient:
        """The same for what is passed on, which may take all its connections."""
        return httpx2.AsyncClient(
            verify=self.context,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(RELAY_S, connect=CONNECT_S),
            limits=httpx2.Limits(max_connections=self._hub.settings.max_viewers + SPARE),
        )

    async def close(self) -> None:
        """Close all connections to other hubs."""
        await self.http.aclose()
        await self.relaying.aclose()

    # Which stream is where

    @property
    def others(self) -> list[Peer]:
        """All hubs that are there, but this one."""
        return [self.peers[address] for address in self._ring if address != self.own]

    @property
    def knows_itself(self) -> bool:
        """False in the first moments, in which nothing is known of who has what."""
        return bool(self.own) or time.monotonic() - self._began > GONE_S

    def place(self, stream: str) -> str:
        """Return the address of the hub that has a stream; this one's own where it does not know itself."""
        if not self.own:
            return ""
        keepers = [*self._keepers.get(stream, ()), *([self.own] if self._keeps(stream) else [])]
        return owner(stream, [one for one in keepers if one in self._ring] or self._ring)

    def placed(self, stream: str) -> str | None:
        """Return the address of the other hub that has a stream; None where this one has it.

        It is empty in the first moments.
        """
        if not self.knows_itself:
            return ""
        place = self.place(stream)
        return None if place == self.own else place

    def peer_of_token(self, key: str) -> str | None:
        """Return the address of the other hub that has made a token, by its hash."""
        found = (p.address for p in self.others if any(record.hash == key for record in p.shared.tokens))
        return next(found, None)

    def peer_of_token_id(self, id: str) -> str | None:
        """Return the address of the other hub that has made a token, by its id, also while that hub is gone."""
        if any(record.id == id for record in self._access.records):
            return None
        away = (peer for peer in self.peers.values() if peer.address != self.own)
        return next((p.address for p in away if any(record.id == id for record in p.shared.tokens)), None)

    def peer_of_share(self, id: str) -> str | None:
        """Return the address of the other hub that has a share link, by its id, also while that hub is gone."""
        away = (peer for peer in self.peers.values() if peer.address != self.own)
        return next((peer.address for peer in away if id in peer.shared.shares), None)

    def streams(self) -> list[StreamStats]:
        """Return the streams of all hubs, each with the address of its hub. Those of this one come first."""
        own = [stream_stats(self._hub, self._hub.streams[name]) for name in self._own_streams()]
        there = [(peer.address, stats) for peer in self.others for stats in peer.streams]
        found: dict[str, StreamStats] = {}
        for address, stats in [*((self.own, stats) for stats in own), *there]:
            if stats.name not in found or self.place(stats.name) == address:
                found[stats.name] = stats.model_copy(update={"hub": address})
        return list(found.values())

    def tcp_address(self, address: str) -> str:
        """Return where a hub answers over TCP; empty where it does not."""
        state = self.peers[address].state if address in self.peers else None
        if state is None or state.tcp_port is None:
            return ""
        scheme, _, rest = address.partition("://")
        return f"{'tcps' if scheme == 'https' else 'tcp'}://{rest.rpartition(':')[0]}:{state.tcp_port}"

    @property
    def troubles(self) -> dict[str, str]:
        """What is wrong with hubs, by their address."""
        found: dict[str, str] = {}
        if not self.own and self.knows_itself:
            found["hubs"] = (
                "none of the addresses in [cluster] hubs leads to this hub: expected its own among them. "
                "Until then it works alone"
            )
        return found | {f"hub {p.address}": why for p in self.peers.values() if (why := p.trouble or self._odd(p))}

    # What this hub tells the others

    def answer(self, headers: Mapping[str, str], method: str, path: str, what: str) -> bytes:
        """Answer another hub: with its ``state``, or what it has ``shared``. Raises Unauthorized."""
        header = headers.get(HEADER, "")
        try:
            self.seal.check(header, method, path)
        except ClockDiffers as e:
            body = msgspec.json.encode(Version(PROTOCOL, __version__, e.message))
        else:
            body = self.state() if what == "state" else msgspec.json.encode(self.shared())
        return self.seal.answer(header, body)

    def report(self) -> list[dict[str, Any]]:
        """Return how all hubs stand, for people."""
        now, troubles = time.monotonic(), self.troubles
        return [
            {
                "address": peer.address,
                "own": peer.address == self.own,
                "state": self._word(peer, now),
                "version": "" if peer.state is None else peer.state.version,
                "streams": sum(1 for _ in self._own_streams()) if peer.address == self.own else peer.count(now),
                "trouble": troubles.get(f"hub {peer.address}", ""),
            }
            for peer in self.peers.values()
        ]

    def _word(self, peer: Peer, now: float) -> str:
        if peer.address == self.own:
            ready = not self._ready()
        elif peer.state is not None and peer.alive(now):
            ready = peer.state.ready
        else:
            return "gone"
        if peer.address not in self._ring:
            return "waiting"
        return "ready" if ready else "unready"

    def state(self) -> bytes:
        """How this hub is, made once for all who ask at a time."""
        now = time.monotonic()
        if now >= self._said_until:
            self._said, self._said_until = msgspec.json.encode(self._state()), now + LOOK_S
        return self._said

    def _state(self) -> HubState:
        told = [stream_stats(self._hub, self._hub.streams[name]) for name in self._own_streams()]
        reason = self._ready()
        return HubState(
            protocol=PROTOCOL,
            version=__version__,
            instance=self._instance,
            up_s=time.monotonic() - self._began,
            hubs=self._list,
            tokens=self._access.enabled,
            tcp_port=self._tcp_port(),
            ready=not reason,
            reason=reason[:300],
            shared=hashlib.sha256(msgspec.json.encode(self.shared())).hexdigest(),
            sources=tuple(self._hub.settings.sources),
            streams=tuple(msgspec.Raw(one.model_dump_json().encode()) for one in told),
        )

    def shared(self) -> Shared:
        """What the others keep of this hub."""
        return Shared(tuple(self._access.records), dict(self._hub.cameras.kept), tuple(self._shares()))

    # The others

    async def run(self) -> None:
        """Follow all hubs, and move streams where that has to be. Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for peer in self.peers.values():
                tasks.create_task(self._follow(peer))
            tasks.create_task(self._look())

    async def _follow(self, peer: Peer) -> None:
        while peer.address != self.own:  # which needs no more asking once it has found itself
            await peer.ask(self.http, self.seal)
            await asyncio.sleep(ASK_EVERY_S)

    async def _look(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Have what all hubs said last come into force."""
        now = time.monotonic()
        asleep, self._looked = now - self._looked - LOOK_S, now
        if asleep > ASLEEP_S:  # it was this hub that was not there
            for peer in self.peers.values():
                peer.heard += asleep
        if asleep > GONE_S and self.own:  # the others have its streams by now, and give them back when it is steady
            log.warning("this hub stood still for %.0f s: other hubs have its streams until it is steady", asleep)
            self._woke = now
        for peer in self.peers.values():
            if not peer.alive(now):
                peer.let_go()
        before = {name: self._placed_before.get(name, self.placed(name)) for name in self._names()}
        self.own = self._found_itself()
        self._ring = self._standing(now)
        keepers: dict[str, tuple[str, ...]] = {}
        for peer in self.others:
            for name in {*peer.shared.cameras, *(peer.state.sources if peer.state else ())}:
                keepers[name] = (*keepers.get(name, ()), peer.address)
        self._keepers = keepers
        away = [p for p in self.peers.values() if p.address != self.own]
        self._access.share([record for peer in away for record in peer.shared.tokens])
        self._borrow_cameras(away)
        self._placed_before = {name: self.placed(name) for name in self._names()}
        for name, place in self._placed_before.items():
            was = before.get(name, "")
            if was != place and None in (was, place):
                self._move(name, place)

    def _borrow_cameras(self, away: list[Peer]) -> None:
        """Of a stream that several hubs keep, the word of the one counts that the stream suits best."""
        cameras = self._hub.cameras
        keepers: dict[str, list[str]] = {}
        for peer in away:
            for name in peer.shared.cameras:
                keepers.setdefault(name, []).append(peer.address)
        best = {name: owner(name, found) for name, found in keepers.items()}
        theirs = [n for n, a in best.items() if self.own and cameras.fixed(n) and owner(n, (a, self.own)) == a]
        cameras.borrow({name: self.peers[address].shared.cameras[name] for name, address in best.items()}, theirs)

    def _move(self, name: str, address: str | None) -> None:
        """A stream is this hub's from now on, or was until now."""
        if address is not None:
            self._send_away(name, f"the stream moves to the hub {address}: expected another try")
        else:
            log.info("stream %s: it is this hub's now", name)
        try:
            self._hub.cameras.changed(name)
        except SightlineError as e:
            log.error("stream %s: its source is not pulled here: %s", name, e.message)

    def _send_away(self, name: str, reason: str) -> None:
        """Who publishes or watches a stream has to come again, and is led to where it is."""
        stream = self._hub.streams.get(name)
        self._hub.remove(name, reason)
        if stream is not None:
            for subscription in stream.subscriptions:
                subscription.mailbox.close(reason)

    def _names(self) -> set[str]:
        return {*self._hub.streams, *self._hub.cameras.names, *self._hub.cameras.borrowed}

    def _own_streams(self) -> Iterable[str]:
        return (name for name in self._hub.cameras.arranged(self._hub.streams) if self.placed(name) is None)

    def _keeps(self, stream: str) -> bool:
        return stream in self._hub.cameras or self._hub.cameras.fixed(stream)

    def _found_itself(self) -> str:
        """The first address of the list that leads here."""
        if self.own:
            return self.own
        here = (p.address for p in self.peers.values() if p.state is not None and p.state.instance == self._instance)
        return next(here, "")

    def _standing(self, now: float) -> tuple[str, ...]:
        """The hubs that have streams at present: each is there and steady, and none twice."""
        instances: set[str] = set()
        live: list[Peer] = []
        for peer in self.peers.values():
            instance = peer.address if peer.state is None else peer.state.instance
            if instance not in instances and (peer.address == self.own or peer.alive(now)):
                instances.add(instance)
                live.append(peer)
        oldest = max((peer.up_s(now) for peer in live if peer.state is not None), default=0.0)
        # Where all begin together, nobody waits for anybody.
        ready = [p for p in live if now - (self._woke if p.address == self.own else p.back) >= STEADY_S]
        ready = [p for p in ready if p.up_s(now) >= STEADY_S or p.up_s(now) + STEADY_S >= oldest]
        return tuple(peer.address for peer in ready or live)

    def _odd(self, peer: Peer) -> str:
        """What is wrong with a hub that answers."""
        state = peer.state
        if state is None or peer.address == self.own:
            return ""
        if state.instance == self._instance:
            return f"this is the same hub as {self.own}: expected each hub once in [cluster] hubs"
        if set(state.hubs) != set(self._list):
            return f"its [cluster] hubs are {', '.join(state.hubs)}: expected the same list as here"
        if state.tokens != self._access.enabled:
            return f"it asks {'everybody for a token' if state.tokens else 'nobody for a token'}, and this hub does not"
        return ""


def trusted(cluster: Cluster) -> ssl.SSLContext:
    """Return whom a hub trusts to vouch for the others. Raises ConfigError."""
    context = ssl.create_default_context()
    try:
        if cluster.ca is not None:
            context.load_verify_locations(cluster.ca)
    except (OSError, ssl.SSLError) as e:
        raise ConfigError(f"cluster.ca {cluster.ca}: {e.strerror or e}; expected a PEM file") from None
    return context
