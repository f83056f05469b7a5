"""Web Push of a server: who subscribed, the server's key, and one dispatcher for each push service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from cryptography.hazmat.primitives.asymmetric import ec

from sightline.core.errors import NoFolder, NotFound
from sightline.core.install import install_command
from sightline.notifications.devices import Devices
from sightline.notifications.key import own_key
from sightline.notifications.services import SERVICES
from sightline.outputs._dispatcher import Dispatcher
from sightline.outputs._push import PushOutput, installed
from sightline.outputs._service import finish, start
from sightline.security.authorization import Access
from sightline.settings.settings import Settings, data_folder
from sightline.streams.hub import Hub


class Push:
    """Starts with the first device: a server that nobody subscribes to has no key and no dispatchers."""

    def __init__(self, settings: Settings, access: Access) -> None:
        self._settings = settings
        self.missing: str | None = None
        """Why there is no Web Push; None where there is."""
        self.dispatchers: list[Dispatcher] = []
        self._outputs: list[PushOutput] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._hub: Hub | None = None
        self._key: ec.EllipticCurvePrivateKey | None = None
        self._opening = asyncio.Lock()
        if not installed():
            self.missing = f"pywebpush is not installed; run: {install_command('push')}"
        try:
            self._folder = data_folder(settings)
        except NoFolder as e:
            self.missing = str(e)
        else:
            self.devices = Devices(self._folder, access, settings.push_services)

    @property
    def subscribed(self) -> int:
        """Number of devices."""
        return 0 if self.missing is not None else len(self.devices)

    @property
    def told(self) -> int:
        """Number of messages that services have taken."""
        return sum(output.told for output in self._outputs)

    @property
    def lost(self) -> int:
        """Number of events that a service did not take."""
        return sum(dispatcher.lost for dispatcher in self.dispatchers)

    @asynccontextmanager
    async def run(self, hub: Hub) -> AsyncGenerator[None]:
        """Notify devices until the block ends."""
        if self.missing is not None:
            yield
            return
        self._hub = hub
        await self.devices.load()
        hub.supervisor.start("saving of push subscriptions", self.devices.run)
        if len(self.devices):
            hub.supervisor.spawn("Web Push", self._begin())
        try:
            yield
        finally:
            await finish(self.dispatchers, self._tasks)

    async def key(self) -> ec.EllipticCurvePrivateKey:
        """Return the key of the server, by which devices subscribe. Raises NotFound, ConfigError or Shortage."""
        async with self._opening:
            if self.missing is not None:
                raise NotFound(f"this server sends no Web Push: {self.missing}")
            if self._key is None:
                self._key = await asyncio.to_thread(own_key, self._folder)
                self._start(self._key)
            return self._key

    async def _begin(self) -> None:
        await self.key()

    def _start(self, key: ec.EllipticCurvePrivateKey) -> None:
        assert self._hub is not None
        services = [*SERVICES, *(origin.rstrip("/").lower() for origin in self._settings.push_services)]
        contact = self._settings.push_contact or self._settings.public_url
        name_of = self._hub.cameras.display_name
        self._outputs = [PushOutput(service, self.devices, key, contact, name_of) for service in services]
        self.dispatchers = [Dispatcher(output, "*", ("alerts",), "notify") for output in self._outputs]
        self._tasks = start(self._hub, self.dispatchers)
