"""Opens links for publishing, subscribing and listening, over what the server's address says."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import quote, urlencode

from msgspec.structs import asdict

from sightline.client.homes import Homes
from sightline.client.links import Address, Link, Open, Receiver
from sightline.core.events import EventFilter
from sightline.wire.requests import Subscribe


def publishing(homes: Homes, stream: str) -> Open:
    """Return how to open links that publish a stream.

    A further one takes over from one that is lost, even where the server does not know of the loss yet.
    """
    session = secrets.token_urlsafe(12)

    async def connect(address: Address, moves: bool, receiver: Receiver) -> Link:
        if _over_tcp(address):
            from sightline.client import tcp

            return await tcp.connect(address, receiver, session=session)
        from sightline.client import ws  # only who uses it pays for its import

        path = f"/ws/camera/{quote(stream, safe='')}?session={session}"
        return await ws.connect(address, path + _moving(moves), receiver, camera=True)

    return lambda receiver: homes.open(lambda address, moves: connect(address, moves, receiver))


def subscribing(homes: Homes, stream: str, *, pictures: bool) -> Open:
    """Return how to open links that receive a stream's results."""
    name = quote(stream, safe="")
    path = f"/ws/view/{name}?still=1" if pictures else f"/ws?stream={name}"
    return _subscribing(homes, lambda: Subscribe(stream, pictures, still=pictures), lambda: path)


def listening(homes: Homes, wanted: EventFilter, last: Callable[[], int | None]) -> Open:
    """Return how to open links that receive events: those after the number of the last one, where there is one."""
    query = {"class" if key == "class_name" else key: value for key, value in wanted.given.items()}

    def subscribe() -> Subscribe:
        given = asdict(wanted) | {"stream": wanted.stream or ""}
        return Subscribe(**given, events=True, after=last(), position=True)

    def path() -> str:
        place = {"position": "1"} if (after := last()) is None else {"after": str(after)}
        return f"/ws?{urlencode({'events': '1'} | query | place)}"

    return _subscribing(homes, subscribe, path)


def _subscribing(homes: Homes, first: Callable[[], Subscribe], path: Callable[[], str]) -> Open:
    async def connect(address: Address, moves: bool, receiver: Receiver) -> Link:
        if _over_tcp(address):
            from sightline.client import tcp

            return await tcp.connect(address, receiver, first())
        from sightline.client import ws

        return await ws.connect(address, path() + _moving(moves), receiver)

    return lambda receiver: homes.open(lambda address, moves: connect(address, moves, receiver))


def _over_tcp(address: Address) -> bool:
    return address.url.startswith("tcp")


def _moving(moves: bool) -> str:
    return "&moves=1" if moves else ""
