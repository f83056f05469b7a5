"""Opens links for publishing, subscribing and listening, over what the server's address says."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import quote, urlencode

from msgspec.structs import asdict

from sightline.client.links import Address, Open
from sightline.core.events import EventFilter
from sightline.wire.requests import Subscribe


def publishing(address: Address, stream: str) -> Open:
    """Return how to open links that publish a stream.

    A further one takes over from one that is lost, even where the server does not know of the loss yet.
    """
    session = secrets.token_urlsafe(12)
    if address.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(address, receiver, session=session)
    from sightline.client import ws  # only who uses it pays for its import

    path = f"/ws/camera/{quote(stream, safe='')}?session={session}"
    return lambda receiver: ws.connect(address, path, receiver, camera=True)


def subscribing(address: Address, stream: str, *, pictures: bool) -> Open:
    """Return how to open links that receive a stream's results."""
    if address.url.startswith("tcp"):
        from sightline.client import tcp

        return lambda receiver: tcp.connect(address, receiver, Subscribe(stream, pictures, still=pictures))
    from sightline.client import ws

    name = quote(stream, safe="")
    path = f"/ws/view/{name}?still=1" if pictures else f"/ws?stream={name}"
    return lambda receiver: ws.connect(address, path, receiver)


def listening(address: Address, wanted: EventFilter, last: Callable[[], int | None]) -> Open:
    """Return how to open links that receive events: those after the number of the last one, where there is one."""
    if address.url.startswith("tcp"):
        from sightline.client import tcp

        def subscribe() -> Subscribe:
            given = asdict(wanted) | {"stream": wanted.stream or ""}
            return Subscribe(**given, events=True, after=last(), position=True)

        return lambda receiver: tcp.connect(address, receiver, subscribe())
    from sightline.client import ws

    query = {"class" if key == "class_name" else key: value for key, value in wanted.given.items()}

    def path() -> str:
        place = {"position": "1"} if (after := last()) is None else {"after": str(after)}
        return f"/ws?{urlencode({'events': '1'} | query | place)}"

    return lambda receiver: ws.connect(address, path(), receiver)
