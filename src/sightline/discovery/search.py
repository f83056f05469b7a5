"""A search for cameras in this machine's networks."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter

from sightline.discovery import mdns, ws_discovery
from sightline.discovery.ask import ask
from sightline.discovery.devices import MOST_DEVICES, MOST_OF_ONE, NetworkCamera

SEARCH_S = 1.5
"""Seconds of a search. WS-Discovery lets devices wait for up to half a second before they answer, and gives up 0.6 s
after a question; the second one is asked after 0.4 s. The rest is for networks that hold multicast back for sleepers.
"""


class Search:
    """Looks for cameras when it is told to, and never else. On the event loop only."""

    def __init__(self) -> None:
        self._running: asyncio.Task[list[NetworkCamera]] | None = None

    async def find(self) -> list[NetworkCamera]:
        """Return the cameras that answer. Who asks while a search goes on gets what that one finds."""
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(_find())
        return await asyncio.shield(self._running)

    async def close(self) -> None:
        """End a search that goes on."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)


async def _find() -> list[NetworkCamera]:
    found = dict[str, NetworkCamera]()
    of_one: Counter[str] = Counter()

    def take(devices: list[NetworkCamera]) -> None:
        for device in devices:
            host = host_of(device)
            if device.address not in found and of_one[host] < MOST_OF_ONE and len(found) < MOST_DEVICES:
                of_one[host] += 1
                found[device.address] = device

    onvif = ask(ws_discovery.question(), ws_discovery.GROUP, SEARCH_S, lambda *told: take(ws_discovery.devices(*told)))
    rtsp = ask(mdns.question(), mdns.GROUP, SEARCH_S, lambda *told: take(mdns.devices(*told)))
    await asyncio.gather(onvif, rtsp)
    return sorted(found.values(), key=lambda device: (int(ipaddress.ip_address(host_of(device))), device.address))


def host_of(device: NetworkCamera) -> str:
    """Return the address of the machine that a device is at."""
    return device.address.partition("://")[2].partition(":")[0]
