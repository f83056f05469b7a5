"""Devices that asked for notifications. Each is there as long as the token by which it asked, and over restarts."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import Struct

from sightline.core.errors import BadRequest, LimitReached, NotFound, SightlineError, told
from sightline.core.types import check_stream_name
from sightline.notifications.services import service_of
from sightline.security import files
from sightline.security.authorization import Access, Identity
from sightline.security.tokens import ALL

log = logging.getLogger(__name__)

MOST = 256
"""Devices in all."""
MOST_OF_A_TOKEN = 16
MOST_ENDPOINT = 2048
"""Letters of a push service's address."""
MOST_STREAMS = 64
"""Streams that a device may name."""


class Device(Struct, frozen=True):
    """A device, and what it wants to hear of."""

    id: str
    endpoint: str
    """Address at its push service. Who knows it and our key can reach the device, so nobody is told."""
    p256dh: str
    auth: str
    """Keys by which only the device can read what is sent to it."""
    streams: tuple[str, ...]
    """Names of streams; ``*`` for all."""
    token: str
    """Hash of the token by which it subscribed; empty where the server asked for none."""
    since: float

    def wants(self, stream: str) -> bool:
        """Return True if it asked for this stream's events."""
        return ALL in self.streams or stream in self.streams


class _File(Struct):
    devices: list[Device]
    version: Literal[1] = 1


class Devices:
    """All devices of a server. On the event loop only."""

    def __init__(self, folder: Path, access: Access, allowed: Sequence[str] = ()) -> None:
        """``allowed``: see ``service_of``."""
        self._path = folder / "push.json"
        self._access = access
        self._allowed = allowed
        self._all: dict[str, Device] = {}
        self._service: dict[str, str] = {}
        """Name of each device's push service."""
        self._unwatch: dict[str, Callable[[], None]] = {}
        self._changed = asyncio.Event()
        self._saving = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._all)

    async def load(self) -> None:
        """Read the file. Devices whose token is gone, or whose service is no longer allowed, are left out."""
        try:
            found = await asyncio.to_thread(self._read)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
            aside = await asyncio.to_thread(files.put_aside, self._path)
            why = "nobody is notified until devices subscribe anew, and the file is kept as"
            log.error("%s: %s; %s %s", self._path, e, why, aside.name)
            return
        for one in found[:MOST]:
            try:
                service_of(one.endpoint, self._allowed)
                check_keys(one.p256dh, one.auth)
            except BadRequest:
                self._changed.set()
                continue
            identity = self._access.known(one.token)
            if identity is None or not all(_may(identity, stream) for stream in one.streams):
                self._changed.set()
            else:
                self._keep(one, identity)

    def wanting(self, service: str, stream: str) -> list[Device]:
        """Return the devices of a service that want to hear of a stream."""
        return [one for one in self._all.values() if self._service[one.id] == service and one.wants(stream)]

    async def put(self, identity: Identity, endpoint: str, p256dh: str, auth: str, streams: Sequence[str]) -> Device:
        """Keep a device; it takes the place of what it asked for before. Its rights were checked.

        Raises BadRequest, LimitReached, or what saving raises.
        """
        service_of(endpoint, self._allowed)
        check_keys(p256dh, auth)
        wanted = tuple(dict.fromkeys(stream if stream == ALL else check_stream_name(stream) for stream in streams))
        made = Device(id_of(endpoint), endpoint, p256dh, auth, wanted, identity.hash, time.time())
        before = self._all.get(made.id)
        if before is None:
            self._check_room(identity)
        self._keep(made, replace(identity, opening=0) if identity.opening else identity)  # it outlives that opening
        try:
            await self.save()
        except SightlineError:
            if self._all.get(made.id) is made:
                self._put_back(made.id, before)
            raise
        return made

    async def remove(self, identity: Identity, device: str) -> None:
        """Forget a device that subscribed by this very token. Raises NotFound, or what saving raises."""
        found = self._all.get(device)
        if found is None or found.token != identity.hash:
            raise NotFound("no such subscription: it ended, or is another token's")
        self._drop(device)
        await self.save()

    def forget(self, device: str) -> None:
        """Forget a device that is gone."""
        if device in self._all:
            self._drop(device)
            self._changed.set()

    async def run(self) -> None:
        """Save what ends by itself, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.save()

    async def save(self) -> None:
        """Write the file. Raises ConfigError or Shortage."""
        async with self._saving:
            data = msgspec.json.encode(_File(list(self._all.values())))
            await asyncio.to_thread(self._write, data)

    def _check_room(self, identity: Identity) -> None:
        if len(self._all) >= MOST:
            raise LimitReached(f"{MOST} devices are notified: expected no more")
        own = sum(one.token == identity.hash for one in self._all.values())
        if identity.hash and own >= MOST_OF_A_TOKEN:
            raise LimitReached(f"{MOST_OF_A_TOKEN} devices are notified by this token: expected no more")

    def _put_back(self, device: str, before: Device | None) -> None:
        self._drop(device)
        identity = None if before is None else self._access.known(before.token)
        if before is not None and identity is not None:
            self._keep(before, identity)

    def _keep(self, one: Device, identity: Identity) -> None:
        self._drop(one.id)
        self._all[one.id] = one
        self._service[one.id] = service_of(one.endpoint, self._allowed)

        def ended(error: SightlineError) -> None:
            log.info("a device is notified no longer: %s", told(error))
            self.forget(one.id)

        self._unwatch[one.id] = self._access.watch(identity, ended)

    def _drop(self, device: str) -> None:
        self._all.pop(device, None)
        self._service.pop(device, None)
        self._unwatch.pop(device, lambda: None)()

    def _read(self) -> list[Device]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_File).devices
        except FileNotFoundError:
            return []

    def _write(self, data: bytes) -> None:
        files.make_folder(self._path.parent)
        files.write(self._path, data)


def _may(identity: Identity, stream: str) -> bool:
    return identity.may("view", None if stream == ALL else stream)


def id_of(endpoint: str) -> str:
    """Return the id of a device. Only who knows its secret address can guess it."""
    return hashlib.sha256(endpoint.encode()).hexdigest()[:32]


def check_keys(p256dh: str, auth: str) -> None:
    """Raise BadRequest unless these are a point on P-256 and 16 bytes, both in base64url."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _decoded(p256dh))
    except ValueError:
        raise BadRequest(f"keys.p256dh: got {p256dh[:40]!r}; expected the key of a push subscription") from None
    try:
        secret = _decoded(auth)
    except ValueError:
        secret = b""
    if len(secret) != 16:
        raise BadRequest(f"keys.auth: got {len(auth)} letters; expected the 16 bytes of a push subscription")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as e:
        raise ValueError(str(e)) from None
