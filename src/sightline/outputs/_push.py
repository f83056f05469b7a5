"""Web Push: a rule's event to the devices that asked for it, through the push services of their browsers.

It is an output that needs no table in the settings: devices subscribe on the pages. Extra ``push``.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from sightline.core.errors import SinkError
from sightline.core.events import Event
from sightline.notifications.devices import Device, Devices
from sightline.outputs.base import Item, Output

if TYPE_CHECKING:
    import aiohttp

log = logging.getLogger(__name__)

CONTACT = "https://pypi.org/project/sightline-vision/"
"""Whom services ask about our messages where the operator names nobody. Apple refuses names that can't exist."""
KEPT_S = 4 * 3600
"""Seconds for which a service keeps a message for a device that is off."""
TIMEOUT_S = 10.0
SIGNED_S = 12 * 3600
"""Seconds for which a signature holds. Services refuse more than a day, and clocks differ."""
AT_A_TIME = 8
"""Requests to a service at the same time."""
TOLD = ("id", "stream", "kind", "class_name", "zone", "rule", "direction", "at", "snapshot", "clip", "number")
"""What a device is sent of an event. A message has room for about 3,000 bytes."""
LONGEST = 200
"""Letters of each of its texts."""
REMEMBERED = 4096
"""Messages of which is known that they were sent, when others of their batch are tried again."""
LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}


def installed() -> bool:
    """Return True if the extra is installed."""
    return find_spec("pywebpush") is not None


class PushOutput(Output):
    """Sends to the devices of one push service, so that no service waits for another."""

    batch = 32
    every_s = 0.0
    retries: int | None = 4

    def __init__(
        self,
        service: str,
        devices: Devices,
        key: ec.EllipticCurvePrivateKey,
        contact: str | None,
        name_of: Callable[[str], str],
    ) -> None:
        """``name_of``: what people call a stream."""
        self.name = f"push to {service}"
        self._service = service
        self._devices = devices
        self._key = key
        self._contact = contact or CONTACT
        self._name_of = name_of
        self._session: aiohttp.ClientSession | None = None
        self._sent: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.told = 0
        """Messages that the service has taken."""

    async def send(self, batch: Sequence[Item]) -> None:
        """Send what is to be told. Raises OSError if another try may help, SinkError where nobody could be told."""
        due = [
            (item.event, device)
            for item in batch
            if item.event is not None
            for device in self._devices.wanting(self._service, item.stream)
            if (item.event.id, device.id) not in self._sent
        ]
        ended = await asyncio.gather(*(self._tell(event, device) for event, device in due), return_exceptions=True)
        errors = [error for error in ended if isinstance(error, BaseException)]
        later = [error for error in errors if not isinstance(error, SinkError)]
        if later:
            raise later[0]
        if errors and len(errors) == len(due):
            raise errors[0]
        for error in errors:
            log.warning("%s: a device could not be told: %s", self.name, error)

    async def close(self) -> None:
        """Close the connections to the service."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _tell(self, event: Event, device: Device) -> None:
        import aiohttp

        headers, body = await asyncio.to_thread(self._message, event, device)
        try:
            async with self._open().post(device.endpoint, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as e:
            raise OSError(f"{self._service} can't be reached: {type(e).__name__}") from None
        if status in GONE:
            log.info("%s: a device has unsubscribed", self.name)
            self._devices.forget(device.id)
        elif status in LATER or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise OSError(f"{self._service} answers with HTTP status {status}")
        elif status >= HTTPStatus.MULTIPLE_CHOICES:
            raise SinkError(f"{self._service} refuses with HTTP status {status}")
        else:
            self.told += 1
        self._sent[event.id, device.id] = None
        if len(self._sent) > REMEMBERED:
            self._sent.popitem(last=False)

    def _message(self, event: Event, device: Device) -> tuple[dict[str, str], bytes]:
        """Encrypt what is told, and sign for it. Takes about a millisecond."""
        import py_vapid
        import pywebpush

        keys = {"p256dh": device.p256dh, "auth": device.auth}
        words = told(event, self._name_of(event.stream))
        body = pywebpush.WebPusher({"endpoint": device.endpoint, "keys": keys}).encode(words)["body"]
        parts = urlsplit(device.endpoint)
        signer = py_vapid.Vapid02(self._key, {"no-strict": True})  # its own test of the contact refuses paths
        ends = int(time.time()) + SIGNED_S
        signed = signer.sign({"aud": f"{parts.scheme}://{parts.netloc}", "sub": self._contact, "exp": ends})
        return {
            **signed,
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(KEPT_S),
            "Urgency": "high",
        }, body

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=AT_A_TIME),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session


def told(event: Event, display_name: str) -> bytes:
    """Return what a device is sent of an event, as JSON. ``display_name``: what people call its stream."""
    known = {key: getattr(event, key) for key in TOLD} | {"display_name": display_name}
    return msgspec.json.encode({k: v[:LONGEST] if isinstance(v, str) else v for k, v in known.items()})
